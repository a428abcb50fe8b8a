import ModelDescription
import OrderedJSON
import RunFolder

/// A model as users name it, opened: its configuration, tokenizer, chat template and weights.
///
/// Small files are in memory, so that they can be written beside trained weights even when the source has gone; weights
/// are read on demand.
package struct ModelSource: Sendable {
  /// A file that goes with the weights, as it is or as it would be in a Hugging Face folder.
  package struct CompanionFile: Sendable {
    package let name: String
    package let bytes: [UInt8]
  }

  /// The folder or file, for messages.
  package let place: String
  /// How others find it from anywhere: `org/name` of the hub, or an absolute path.
  package let name: String
  package let configuration: JSONValue
  package let model: ModelDescription
  package let tokenizerJSON: JSONValue
  package let tokenizerConfiguration: JSONValue
  /// The template that `tokenizer.apply_chat_template` would use; nil for a base model.
  package let chatTemplate: String?
  package let generationConfiguration: JSONValue?
  /// With an adapter merged in, if the model came as one.
  package let weights: any WeightSource
  /// The adapter itself, and the model without it.
  package let adapter: StartingAdapter?
  /// Tokenizer files, chat template and generation settings, byte for byte when they come from a folder.
  package let companions: [CompanionFile]

  /// The type of a name, or, for `auto`, the one that the configuration gives to the files' numbers.
  package func storageType(named name: String) -> StorageType {
    let stored = configuration["dtype"]?.string ?? configuration["torch_dtype"]?.string ?? ""
    return StorageType(rawValue: name) ?? StorageType(rawValue: stored) ?? .float32
  }

  /// Refuses to write a model over the one that it comes from.
  ///
  /// - Throws: 73 when files of the weights lie in `folder`.
  package func requireOutside(_ folder: String) throws(TregError) {
    if let file = weights.files.first(where: { FileSystem.isInside($0, folder) }) {
      throw TregError.cannotCreate(at: folder, "\(file) lies here, from which the model is read; name another folder")
    }
  }

  /// XXH3-128 over the weight files' bytes, the configuration, the tokenizer's two files and the chat template in use.
  ///
  /// Reads all weights, so keep it. The same weights stored in two ways have two hashes.
  package var contentHash: String {
    get throws {
      var hash = ContentHash()
      func add(_ text: String) {
        hash.update(text.utf8.count)
        hash.update(text)
      }
      for file in weights.files { add(try ContentHash.ofFile(file)) }
      add(configuration.text())
      for projection in adapter?.layout.projections ?? [] {
        add(projection.module)
        add("\(projection.scale)")
      }
      for companion in companions where ["tokenizer.json", "tokenizer_config.json"].contains(companion.name) {
        add(companion.name)
        hash.update(companion.bytes.count)
        hash.update(companion.bytes)
      }
      add(chatTemplate ?? "")
      return hash.hexadecimal
    }
  }
}

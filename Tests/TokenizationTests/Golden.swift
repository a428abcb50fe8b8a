import Foundation
import OrderedJSON
import Tokenization

/// The files of Tests/TokenizationTests/Golden.
enum Golden {
  static func json(_ name: String) throws -> JSONValue {
    let folder = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Golden")
    return try JSONValue(parsing: Data(contentsOf: folder.appending(path: name)))
  }

  static func tokenizer(_ name: String) throws -> Tokenizer {
    try Tokenizer(tokenizerJSON: json("\(name).tokenizer.json"), place: "\(name).tokenizer.json")
  }
}

extension JSONValue {
  /// A list of token ids; anything that is none is left out, so that a comparison fails.
  var ids: [Int32] { (array ?? []).compactMap { $0.integer.flatMap(Int32.init(exactly:)) } }
}

import ModelDescription
import ModelFiles
import OrderedJSON
import RunFolder
import Testing

@Suite struct ModelSourceTests {
  @Test func findsAModelInTheHubsCache() throws {
    let scratch = try Scratch()
    let model = try scratch.copyOfTinyModel()
    let base = "hub/models--org--tiny"
    for name in try FileSystem.contents(ofFolder: model) {
      try scratch.write("\(base)/snapshots/abc123/\(name)", FileSystem.readBytes(FileSystem.join(model, name)))
    }
    try scratch.write("\(base)/refs/main", "abc123")
    for environment in [["HF_HUB_CACHE": scratch.file("hub")], ["HF_HOME": scratch.path]] {
      let source = try ModelSource.open("org/tiny", environment: environment)
      #expect(source.place == scratch.file("\(base)/snapshots/abc123"))
    }
    let error = userError { _ = try ModelSource.open("org/other", environment: ["HOME": scratch.path]) }
    #expect(error?.exitCode == .inputMissing)
    #expect(error?.message.contains(".cache/huggingface/hub/models--org--other") == true)
    try scratch.write("\(base)/refs/main", "def456")
    let stale = userError { _ = try ModelSource.open("org/tiny", environment: ["HF_HOME": scratch.path]) }
    #expect(stale?.exitCode == .inputMissing && stale?.place?.hasSuffix("snapshots/def456") == true)
  }

  @Test func takesTheTemplateThatTransformersWouldTake() throws {
    let scratch = try Scratch()
    let folder = try scratch.copyOfTinyModel()
    let file = try #require(try ModelSource.open(folder).chatTemplate)
    #expect(file.hasPrefix("{% for message in messages %}"))
    try scratch.write(
      "model/tokenizer_config.json",
      #"{"chat_template": [{"name": "tool_use", "template": "T"}, {"name": "default", "template": "D"}]}"#)
    #expect(try ModelSource.open(folder).chatTemplate == file)
    try FileSystem.remove(FileSystem.join(folder, "chat_template.jinja"))
    #expect(try ModelSource.open(folder).chatTemplate == "D")
    try scratch.write("model/tokenizer_config.json", #"{"chat_template": "S"}"#)
    #expect(try ModelSource.open(folder).chatTemplate == "S")
    try scratch.write("model/tokenizer_config.json", "{}")
    #expect(try ModelSource.open(folder).chatTemplate == nil)
  }

  @Test func namesWhatAFolderLacks() throws {
    let scratch = try Scratch()
    let folder = try scratch.copyOfTinyModel()
    for name in ["tokenizer.json", "model.safetensors", "config.json"] {
      try FileSystem.remove(FileSystem.join(folder, name))
      let error = userError { _ = try ModelSource.open(folder) }
      #expect(error?.exitCode == .inputMissing)
      #expect(error?.description.contains(name) == true, "\(name): \(error?.description ?? "no error")")
      if name != "config.json" {
        try scratch.write("model/\(name)", FileSystem.readBytes(FileSystem.join(golden, "tiny/\(name)")))
      }
    }
    try scratch.write("model/x.gguf", "")
    #expect(userError { _ = try ModelSource.open(folder) }?.message.contains("name the GGUF file itself") == true)
    #expect(userError { _ = try ModelSource.open(scratch.file("none")) }?.exitCode == .inputMissing)
    try scratch.write("model/config.json", "{")
    #expect(userError { _ = try ModelSource.open(folder) }?.message.contains("not valid JSON") == true)
  }

  @Test func hashesWhatAModelComputesWith() throws {
    let scratch = try Scratch()
    let folder = try scratch.copyOfTinyModel()
    let first = try ModelSource.open(folder).contentHash
    #expect(first.count == 32)
    #expect(try ModelSource.open(FileSystem.join(golden, "tiny")).contentHash == first)
    for name in ["model.safetensors", "tokenizer.json", "chat_template.jinja", "config.json"] {
      let path = FileSystem.join(folder, name)
      let old = try FileSystem.readBytes(path)
      var new = old
      if name == "model.safetensors" {
        new[new.count - 1] ^= 1
      } else if name == "config.json" {
        new = Array(String(decoding: old, as: UTF8.self).replacing("1e-05", with: "1e-06").utf8)
      } else {
        new = Array(String(decoding: old, as: UTF8.self).replacing("<|im_start|>", with: "<|im_begin|>").utf8)
      }
      try scratch.write("model/\(name)", new)
      #expect(try ModelSource.open(folder).contentHash != first, "\(name)")
      try scratch.write("model/\(name)", old)
    }
    #expect(try ModelSource.open(folder).contentHash == first)
  }
}

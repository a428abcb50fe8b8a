import ArgumentParser
import Configuration
import ModelFiles
import Reporting
import RunFolder

struct Convert: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Write a model (a folder, a GGUF file or a cached one) as a Hugging Face folder.",
    discussion:
      "Of the configuration's keys, model, out and max_shard_size are used. An adapter is merged into its model.")

  @OptionGroup var options: RunOptions

  @Option(help: "The type of the written weights: float32, bfloat16 or float16.")
  var dtype = "float32"

  @Flag(help: "Write into a folder that is not empty.")
  var overwrite = false

  func run() throws {
    let type = try StorageType.parse(dtype)
    let configuration = try options.parse(requiring: ["model", "out"], otherFlags: ["--dtype", "--overwrite"])
      .configuration
    let summary = try ModelConverter.convert(
      ModelSource.open(configuration.model), to: configuration.out, type: type, overwrite: overwrite,
      shardBytes: configuration.maxShardSize)
    if !summary.unusedTensors.isEmpty {
      Console.note("left out, not part of the model: \(summary.unusedTensors.joined(separator: ", "))")
    }
    Console.note(summary.written.description)
    Console.print(summary.written.folder)
  }
}

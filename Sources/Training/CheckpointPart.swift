import Compute
import ModelFiles
import OrderedJSON
import RunFolder

/// What one rank writes of a checkpoint: texts, files of weights, and its part of the optimizer's state, as numbers that nobody
/// changes while they are written.
struct CheckpointPart: Sendable {
  /// Files inside a checkpoint are named from its folder.
  static let stateFolder = "state"
  static let stateName = stateFolder + "/state.json"
  static let manifestName = stateFolder + "/" + CheckpointManifest.name

  static func optimizerName(rank: Int, of ranks: Int) -> String {
    stateFolder + "/" + OptimizerFile.name(rank: rank, of: ranks)
  }

  let state: RunState
  let rank: Int
  /// Whether this rank writes what its folder has once.
  let leads: Bool
  let files: TrainedModelFiles
  /// The files of weights that fall to this rank.
  let weightFiles: [ModelFolderWriter.WeightFile]
  /// All of them, on the rank that writes the model's texts.
  let textsBeside: [ModelFolderWriter.WeightFile]?
  /// The weights, and where a tensor begins in them.
  let values: FloatBuffer
  let place: [String: Int]
  /// Its part of the optimizer's moments.
  let moments: OptimizerFile.Moments

  /// Writes all of it into a folder, every file flushed to the disk.
  func write(to folder: String) throws -> [CheckpointManifest.Entry] {
    var entries: [CheckpointManifest.Entry] = []
    func wrote(_ path: String, _ digest: FileDigest) {
      entries.append(CheckpointManifest.Entry(path: path, digest: digest))
    }
    for file in weightFiles {
      let digest = try files.write(file, to: folder) { parameter, body in
        let first = place[parameter.name]!
        try body(UnsafeBufferPointer(values.slice(first..<first + parameter.count)))
      }
      wrote(file.name, digest)
    }
    if let textsBeside {
      for text in try files.writeTexts(beside: textsBeside, to: folder) { wrote(text.name, text.digest) }
    }
    let optimizer = Self.optimizerName(rank: rank, of: state.ranks)
    wrote(
      optimizer,
      try OptimizerFile.write(step: state.step, moments, to: FileSystem.join(folder, optimizer)))
    if leads {
      let text = state.json.text(.indented(2)) + "\n"
      wrote(Self.stateName, try AtomicFile.write(text, to: FileSystem.join(folder, Self.stateName)))
    }
    return entries
  }
}

/// The memory that checkpoints are copied to, so that training goes on while they are written. It is taken with the first one
/// and kept.
final class CheckpointCopy {
  private var weights: FloatBuffer?
  private var mean: FloatBuffer?
  private var square: FloatBuffer?
  /// Elements that one thread copies at a time.
  private static let piece = 1 << 18

  /// The same part in memory of its own.
  ///
  /// - Precondition: nobody reads the last copy any more.
  func take(_ part: CheckpointPart, workers: Workers) -> CheckpointPart {
    var pieces: [(source: UnsafeMutablePointer<Float>, target: UnsafeMutablePointer<Float>, count: Int)] = []
    func add(_ source: UnsafeMutablePointer<Float>, _ target: UnsafeMutablePointer<Float>, count: Int) {
      for start in stride(from: 0, to: count, by: Self.piece) {
        pieces.append((source + start, target + start, min(Self.piece, count - start)))
      }
    }
    let parameters = part.weightFiles.flatMap(\.parameters)
    let weights = Self.room(&self.weights, parameters.reduce(0) { $0 + $1.count })
    let mean = Self.room(&self.mean, part.moments.count)
    let square = Self.room(&self.square, part.moments.count)
    var place: [String: Int] = [:]
    var end = 0
    for parameter in parameters {
      place[parameter.name] = end
      add(part.values.pointer + part.place[parameter.name]!, weights.pointer + end, count: parameter.count)
      end += parameter.count
    }
    var copied: [(range: Range<Int>, place: Int)] = []
    var next = 0
    for (range, start) in part.moments.parts {
      add(part.moments.mean.pointer + start, mean.pointer + next, count: range.count)
      add(part.moments.square.pointer + start, square.pointer + next, count: range.count)
      copied.append((range, next))
      next += range.count
    }
    workers.run(pieces.count) { [pieces] item, _ in
      pieces[item].target.update(from: pieces[item].source, count: pieces[item].count)
    }
    return CheckpointPart(
      state: part.state, rank: part.rank, leads: part.leads, files: part.files, weightFiles: part.weightFiles,
      textsBeside: part.textsBeside, values: weights, place: place,
      moments: OptimizerFile.Moments(mean: mean, square: square, parts: copied))
  }

  private static func room(_ buffer: inout FloatBuffer?, _ count: Int) -> FloatBuffer {
    if let buffer, buffer.count == count { return buffer }
    buffer = nil
    let made = FloatBuffer(count: count)
    buffer = made
    return made
  }
}

import Glibc
import RunFolder

/// Finds the files that `data` names.
///
///     pairs.jsonl  data/*.parquet  data/**/train*.jsonl.gz       a file or a pattern; `**` stands for folders at any depth
///     data/                                                      a folder: its data files at any depth, of one split
///     org/name  org/name/helpful-base                            a data set in the local Hugging Face cache, or a part of one
///
/// A split is told as the hub tells it: by names of shards (`train_prefs-00000-of-00001.parquet` is of the split
/// `train_prefs`), else by a file name's first word (`test.jsonl.gz`, `validation_data.json`), else by the name of a
/// folder. When some files name their split, those that do not are left out; when none does, all are `train`.
/// Read is the split that was asked for; else `train`; else the only one there is.
package struct DataFiles: Sendable {
  /// The split that folders and data sets are read for; files and patterns are read as they are.
  private let split: String?
  private let cache: HubCache

  package init(split: String? = nil, environment: [String: String] = [:]) {
    self.split = split
    cache = HubCache(environment: environment)
  }

  /// The files, in the order in which rows count.
  ///
  /// - Throws: 66 when a name matches nothing; 65 when a folder has no data files; 78 when it has other splits.
  package func find(_ names: [String]) throws -> [String] { try names.flatMap(find) }

  private func find(_ name: String) throws -> [String] {
    switch FileSystem.kind(of: name) {
    case .folder: return try files(inFolder: name, named: name)
    case .file, .other: return [name]
    case nil: break
    }
    if name.contains(where: { "*?[".contains($0) }) { return try matches(name) }
    let parts = name.split(separator: "/", omittingEmptySubsequences: false)
    guard parts.count >= 2, !name.hasPrefix("/"), !name.hasPrefix(".") else { return [name] }
    let dataSet = parts.prefix(2).joined(separator: "/")
    guard HubCache.isName(dataSet) else { return [name] }
    if let folder = try cache.folder(of: dataSet, .dataSet) {
      let path = ([folder[...]] + parts.dropFirst(2)).joined(separator: "/")
      switch FileSystem.kind(of: path) {
      case .folder: return try files(inFolder: path, named: name)
      case nil: throw TregError.missing(at: name, "no \(path) in the local Hugging Face cache")
      default: return [path]
      }
    }
    // A name that ends like a data file is a file that is missing.
    if Self.isDataFile(parts.last.map(String.init) ?? "") { return [name] }
    throw TregError.missing(
      at: name, "no such file or folder; no \(cache.place(of: dataSet, .dataSet)) either (nothing is downloaded)")
  }

  /// Sorted by bytes, whatever the locale, so that every rank counts rows alike.
  private func matches(_ pattern: String) throws -> [String] {
    var paths: [String] = []
    if let stars = pattern.range(of: "**/") {
      let above = pattern[..<stars.lowerBound]
      let roots = above.isEmpty ? ["."] : Self.glob(String(above))
      let rest = String(pattern[stars.upperBound...])
      for root in roots where FileSystem.kind(of: root) == .folder {
        for folder in [root] + (try Self.folders(below: root)) {
          let inside = folder == "." ? rest : FileSystem.join(Self.escaped(folder), rest)
          paths += rest.contains("**/") ? (try? matches(inside)) ?? [] : Self.glob(inside)
        }
      }
    } else {
      paths = Self.glob(pattern)
    }
    let files = Set(paths).filter { FileSystem.kind(of: $0) != .folder }
    guard !files.isEmpty else { throw TregError.missing(at: pattern, "no file matches") }
    return Self.sorted(files)
  }

  private static func glob(_ pattern: String) -> [String] {
    var found = glob_t()
    defer { globfree(&found) }
    guard Glibc.glob(pattern, GLOB_NOSORT, nil, &found) == 0, let names = found.gl_pathv else { return [] }
    return (0..<Int(found.gl_pathc)).compactMap { names[$0].map { String(cString: $0) } }
  }

  private static func escaped(_ path: String) -> String {
    var result = ""
    for character in path {
      if "*?[\\".contains(character) { result.append("\\") }
      result.append(character)
    }
    return result
  }

  private static func sorted(_ paths: some Sequence<String>) -> [String] {
    paths.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
  }

  /// Folders below another at any depth; hidden ones and links, which may lead back, are passed over.
  private static func folders(below folder: String, depth: Int = 0) throws -> [String] {
    guard depth < 32 else { return [] }
    var result: [String] = []
    for name in try FileSystem.contents(ofFolder: folder) where !name.hasPrefix(".") {
      let path = folder == "." ? name : FileSystem.join(folder, name)
      var status = stat()
      guard Pulse.atFile({ lstat(path, &status) }) == 0, status.st_mode & S_IFMT == S_IFDIR else { continue }
      result.append(path)
      result += try folders(below: path, depth: depth + 1)
    }
    return result
  }

  private static let endings = ["jsonl", "json", "ndjson", "parquet"]
  private static let compressions = ["gz", "zst", "zstd"]
  /// JSON files that describe data sets and models.
  private static let descriptions: Set<String> = [
    "dataset_info.json", "dataset_infos.json", "dataset_dict.json", "state.json", "config.json", "metadata.json",
    "tokenizer.json", "tokenizer_config.json", "generation_config.json", "special_tokens_map.json",
  ]

  private static func isDataFile(_ name: String) -> Bool {
    guard !name.hasPrefix("."), !descriptions.contains(name) else { return false }
    var parts = name.lowercased().split(separator: ".")
    if let last = parts.last, compressions.contains(String(last)) {
      parts.removeLast()
      return parts.count > 1 && endings.dropLast().contains(String(parts.last!))
    }
    return parts.count > 1 && endings.contains(String(parts.last!))
  }

  private func files(inFolder folder: String, named name: String) throws -> [String] {
    var bySplit: [String: [String]] = [:]
    var nameless: [String] = []
    var others: [String] = []
    for place in [folder] + (try Self.folders(below: folder)) {
      for file in try FileSystem.contents(ofFolder: place) {
        let path = FileSystem.join(place, file)
        guard FileSystem.kind(of: path) == .file else { continue }
        guard Self.isDataFile(file) else {
          others.append(file)
          continue
        }
        if let split = Self.split(of: String(path.dropFirst(folder.count))) {
          bySplit[split, default: []].append(path)
        } else {
          nameless.append(path)
        }
      }
    }
    if bySplit.isEmpty, !nameless.isEmpty { bySplit["train"] = nameless }
    let known = bySplit.keys.sorted().joined(separator: ", ")
    guard !bySplit.isEmpty else {
      let arrow = others.contains { $0.hasSuffix(".arrow") }
      throw TregError.badData(
        at: name,
        "no data files in this folder (.jsonl, .json, plain, .gz or .zst, or .parquet)"
          + (arrow ? "; .arrow files are not read: write the data set with to_parquet or to_json" : ""))
    }
    if let wanted = split {
      guard let files = bySplit[wanted] else {
        throw TregError.configuration(at: "data_split", "\(name) has no split \(wanted); it has: \(known)")
      }
      return Self.sorted(files)
    }
    if let files = bySplit["train"] ?? (bySplit.count == 1 ? bySplit.values.first : nil) { return Self.sorted(files) }
    throw TregError.configuration(at: "data_split", "\(name) has no split train; name one of: \(known)")
  }

  private static let usualSplits: [String: String] = [
    "train": "train", "training": "train", "test": "test", "testing": "test", "eval": "test", "evaluation": "test",
    "validation": "validation", "valid": "validation", "val": "validation", "dev": "validation",
  ]

  /// - Parameter path: below the folder that is read.
  /// - Returns: nil when neither the file's name nor a folder's tells.
  static func split(of path: String) -> String? {
    func usual(_ text: Substring) -> String? {
      text.lowercased().split { !$0.isLetter }.first.flatMap { usualSplits[String($0)] }
    }
    var parts = path.split(separator: "/")
    let stem = parts.removeLast().prefix { $0 != "." }
    let words = stem.split(separator: "-")
    // train_prefs-00000-of-00001: hub data sets with splits of any name.
    if words.count > 3, words[words.count - 2] == "of", words[words.count - 3].allSatisfy(\.isNumber) {
      return words.dropLast(3).joined(separator: "-")
    }
    return usual(stem) ?? parts.reversed().lazy.compactMap(usual).first
  }
}

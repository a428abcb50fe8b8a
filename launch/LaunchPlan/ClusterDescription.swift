import RunFolder
import Yams

/// The machines that a plan is made for: equal nodes on one network.
///
///     nodes: 16
///     cores: 32              # of a node
///     memory: 128 GB         # of a node; null: as here
///     latency: 20 us         # of a small message between nodes
///     bandwidth: 25 Gbit/s   # of a node's link, each way
package struct ClusterDescription: Sendable, Equatable {
  package var nodes: Int
  package var cores: Int
  /// Bytes of a node; nil: not said.
  package var memory: Int?
  /// Seconds.
  package var latency: Double
  /// Bytes a second.
  package var bandwidth: Double

  /// - Throws: ``TregError`` 66 for a missing file, 78 for anything in it that is not such a description.
  package init(file: String) throws {
    try self.init(yaml: FileSystem.readText(file, maximumCount: 1 << 20), place: file)
  }

  package init(yaml: String, place: String) throws {
    var lines: [String: Int] = [:]
    func refuse(_ key: String, _ expected: String, _ found: String) -> TregError {
      TregError.configuration(
        at: lines[key].map { "\(place):\($0)" } ?? place, "\(key): expected \(expected), found \(found)")
    }
    let names = ["nodes", "cores", "memory", "latency", "bandwidth"]
    let node: Node?
    do { node = try Yams.compose(yaml: yaml) } catch {
      throw TregError.configuration(at: place, "is not YAML: \("\(error)".split(separator: "\n").first ?? "")")
    }
    guard let mapping = node?.mapping else {
      throw TregError.configuration(at: place, "expected the keys \(names.joined(separator: ", "))")
    }
    var texts: [String: String] = [:]
    for (key, value) in mapping {
      guard let name = key.string, names.contains(name) else {
        throw TregError.configuration(
          at: key.mark.map { "\(place):\($0.line)" } ?? place,
          "\(key.string ?? "a key"): no such key; there are \(names.joined(separator: ", "))")
      }
      lines[name] = key.mark?.line
      guard let text = value.scalar?.string else { throw refuse(name, "one value", "a list") }
      texts[name] = text
    }
    func required(_ key: String) throws -> String {
      guard let text = texts[key] else { throw TregError.configuration(at: place, "\(key) is missing") }
      return text
    }
    func count(_ key: String) throws -> Int {
      let text = try required(key)
      guard let value = Int(text), value > 0 else { throw refuse(key, "a whole number above 0", text) }
      return value
    }
    nodes = try count("nodes")
    cores = try count("cores")
    let latencyText = try required("latency")
    guard let seconds = Self.quantity(latencyText, Self.times), seconds >= 0 else {
      throw refuse("latency", "a time such as 20 us", latencyText)
    }
    latency = seconds
    let bandwidthText = try required("bandwidth")
    guard let rate = Self.quantity(bandwidthText, Self.rates), rate > 0 else {
      throw refuse("bandwidth", "a rate such as 25 Gbit/s or 3 GB/s", bandwidthText)
    }
    bandwidth = rate
    if let text = texts["memory"], !["null", "~", ""].contains(text) {
      guard let bytes = Self.quantity(text, Self.sizes), bytes >= 1, bytes < 0x1p60 else {
        throw refuse("memory", "a size such as 128 GB", text)
      }
      memory = Int(bytes)
    }
  }

  private static let times = ["s": 1, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9]
  private static let sizes = [
    "MB": 1e6, "GB": 1e9, "TB": 1e12, "MiB": 0x1p20, "GiB": 0x1p30, "TiB": 0x1p40,
  ]
  private static let rates = [
    "Mbit/s": 1e6 / 8, "Gbit/s": 1e9 / 8, "Mbit": 1e6 / 8, "Gbit": 1e9 / 8, "MB/s": 1e6, "GB/s": 1e9,
    "MiB/s": 0x1p20, "GiB/s": 0x1p30,
  ]

  /// `25 Gbit/s` in the base unit; nil without a known unit behind the number.
  private static func quantity(_ text: String, _ units: [String: Double]) -> Double? {
    let number = text.prefix { $0.isNumber || ".eE+-".contains($0) }
    let unit = text.dropFirst(number.count).drop(while: \.isWhitespace)
    guard let factor = units[String(unit)], let value = Double(number), value.isFinite else { return nil }
    return value * factor
  }
}

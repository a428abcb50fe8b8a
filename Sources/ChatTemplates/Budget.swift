/// What one rendering may use, so that a hostile template ends in an error and not in a full machine.
struct Budget {
  /// Expressions evaluated and elements walked.
  static let maximumSteps = 5_000_000
  /// Bytes of text and of lists made on the way, those already freed included.
  static let maximumBytes = 512 << 20
  /// Bytes of one text, the rendered conversation included.
  static let maximumText = 32 << 20
  /// The sandbox's own bound on `range`.
  static let maximumRange = 100_000
  /// Bodies and expressions within each other while running, recursive macros included.
  static let maximumDepth = 1_000

  private var steps = 0
  private var bytes = 0
  var depth = 0

  @inline(__always)
  mutating func step(_ count: Int = 1) throws {
    steps &+= count
    if steps > Self.maximumSteps {
      throw TemplateFailure(.bound, "the template runs for more than \(Self.maximumSteps) steps")
    }
  }

  @inline(__always)
  mutating func text(_ count: Int) throws {
    bytes &+= count
    if count > Self.maximumText {
      throw TemplateFailure(.bound, "the template makes a text of more than \(Self.maximumText) bytes")
    }
    if bytes > Self.maximumBytes {
      throw TemplateFailure(.bound, "the template makes more than \(Self.maximumBytes) bytes of text and lists")
    }
  }

  mutating func elements(_ count: Int) throws {
    guard count <= Self.maximumText / 32 else {
      throw TemplateFailure(.bound, "the template makes a list of more than \(Self.maximumText / 32) elements")
    }
    try step(count)
    try text(count * 32)
  }
}

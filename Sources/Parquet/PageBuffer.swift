/// Bytes that are reused from page to page.
///
/// At least ``padding`` readable bytes follow the contents, so that decoders may load whole words at any place in them.
final class PageBuffer {
  static let padding = 16

  private(set) var bytes = UnsafeMutableRawBufferPointer(start: nil, count: 0)
  private var storage = UnsafeMutableRawBufferPointer.allocate(byteCount: PageBuffer.padding, alignment: 16)

  /// Bytes that there is room for.
  var capacity: Int { storage.count - Self.padding }

  deinit { storage.deallocate() }

  /// Makes room for `count` bytes, whose values are then whatever was there before.
  func resize(_ count: Int) {
    if storage.count < count + Self.padding {
      storage.deallocate()
      storage = .allocate(byteCount: count + Self.padding, alignment: 16)
    }
    bytes = UnsafeMutableRawBufferPointer(rebasing: storage[..<count])
    UnsafeMutableRawBufferPointer(rebasing: storage[count..<(count + Self.padding)]).initializeMemory(
      as: UInt8.self, repeating: 0)
  }
}

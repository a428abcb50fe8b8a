/// What is refused by name, because honest files do not have it and hostile ones would take memory with it.
enum ParquetLimits {
  /// Bytes of the footer.
  static let footerByteCount = 256 << 20
  /// Bytes of a page's header, which may hold a smallest and a largest value.
  static let headerByteCount = 16 << 20
  /// Bytes of a page, compressed or not.
  static let pageByteCount = 512 << 20
  /// Values of a page, nulls and empty lists counted.
  static let pageValueCount = 1 << 26
  /// A page above ``smallPageByteCount`` may be at most so many times as large as its compressed form.
  static let expansion = 4096
  static let smallPageByteCount = 16 << 20
  /// Bytes of pages and dictionaries that a reader holds: so many, and so many more for each compressed byte it reads.
  static let heldByteCount = 256 << 20
  static let heldExpansion = 256
  /// Bytes that one row may take in memory, ``valueByteCount`` and its text for each value.
  static let rowByteCount = 128 << 20
  static let valueByteCount = 32
  /// Groups inside groups.
  static let depth = 48
}

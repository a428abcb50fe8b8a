/// A 64-bit hash of short byte strings, for tables of this room only: never stored, never sent.
///
/// Strings are compared by bytes throughout: Swift's own string equality calls canonically equivalent
/// strings equal, which a vocabulary must keep apart.
@inline(__always)
func byteHash(_ bytes: UnsafeBufferPointer<UInt8>) -> UInt64 {
  var hash = UInt64(truncatingIfNeeded: bytes.count) &* 0x9E37_79B9_7F4A_7C15
  var index = 0
  let raw = UnsafeRawBufferPointer(bytes)
  while index + 8 <= raw.count {
    hash = mix(hash ^ raw.loadUnaligned(fromByteOffset: index, as: UInt64.self))
    index += 8
  }
  var tail: UInt64 = 0
  while index < raw.count {
    tail = tail << 8 | UInt64(raw[index])
    index += 1
  }
  return mix(hash ^ tail)
}

/// Multiplies to 128 bits and folds, so that every input bit reaches every output bit.
@inline(__always)
func mix(_ value: UInt64) -> UInt64 {
  let product = (value ^ 0xA076_1D64_78BD_642F).multipliedFullWidth(by: 0xE703_7ED1_A0B4_28DB)
  return product.high ^ product.low
}

@inline(__always)
func equalBytes(_ left: UnsafeBufferPointer<UInt8>, _ right: UnsafeBufferPointer<UInt8>) -> Bool {
  guard left.count == right.count else { return false }
  for index in 0..<left.count where left[index] != right[index] { return false }
  return true
}

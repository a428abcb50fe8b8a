import CMPI
import RunFolder

/// Reductions in place: every rank gives `count` numbers and ends with the result over all ranks, element by element.
extension Communicator {
  package func sum<Element: CollectiveElement>(_ buffer: UnsafeMutableBufferPointer<Element>) throws(TregError) {
    try reduce(buffer, CMPI_SUM)
  }

  package func minimum<Element: CollectiveElement>(_ buffer: UnsafeMutableBufferPointer<Element>) throws(TregError) {
    try reduce(buffer, CMPI_MINIMUM)
  }

  package func maximum<Element: CollectiveElement>(_ buffer: UnsafeMutableBufferPointer<Element>) throws(TregError) {
    try reduce(buffer, CMPI_MAXIMUM)
  }

  package func sum<Element: CollectiveElement>(_ values: inout [Element]) throws(TregError) {
    try reduce(&values, CMPI_SUM)
  }

  package func minimum<Element: CollectiveElement>(_ values: inout [Element]) throws(TregError) {
    try reduce(&values, CMPI_MINIMUM)
  }

  package func maximum<Element: CollectiveElement>(_ values: inout [Element]) throws(TregError) {
    try reduce(&values, CMPI_MAXIMUM)
  }

  package func sum<Element: CollectiveElement>(_ value: inout Element) throws(TregError) {
    try reduce(&value, CMPI_SUM)
  }

  package func minimum<Element: CollectiveElement>(_ value: inout Element) throws(TregError) {
    try reduce(&value, CMPI_MINIMUM)
  }

  package func maximum<Element: CollectiveElement>(_ value: inout Element) throws(TregError) {
    try reduce(&value, CMPI_MAXIMUM)
  }

  /// Begins a sum and returns; the buffer must stay in place and untouched until `wait()` returned or `test()` said yes.
  ///
  /// MPI moves little on its own: call `test()` every few milliseconds meanwhile. All ranks begin their sums in one
  /// order.
  package func startSum<Element: CollectiveElement>(
    _ buffer: UnsafeMutableBufferPointer<Element>
  ) throws(TregError) -> PendingCollective {
    guard let start = buffer.baseAddress, !buffer.isEmpty else { return PendingCollective(self, request: nil) }
    var request: OpaquePointer?
    try call { table, error in
      table.start_all_reduce(
        start, Int64(buffer.count), Element.collectiveElement, CMPI_SUM, Int64(pieceBytes), &request, error)
    }
    return PendingCollective(self, request: request)
  }

  private func reduce<Element: CollectiveElement>(
    _ buffer: UnsafeMutableBufferPointer<Element>, _ operation: cmpi_operation
  ) throws(TregError) {
    guard let start = buffer.baseAddress else { return }
    try call { table, error in
      table.all_reduce(start, Int64(buffer.count), Element.collectiveElement, operation, Int64(pieceBytes), error)
    }
  }

  private func reduce<Element: CollectiveElement>(
    _ values: inout [Element], _ operation: cmpi_operation
  ) throws(TregError) {
    try values.withUnsafeMutableBufferPointer { (buffer) throws(TregError) in try reduce(buffer, operation) }
  }

  private func reduce<Element: CollectiveElement>(
    _ value: inout Element, _ operation: cmpi_operation
  ) throws(TregError) {
    try withUnsafeMutablePointer(to: &value) { (pointer) throws(TregError) in
      try reduce(UnsafeMutableBufferPointer(start: pointer, count: 1), operation)
    }
  }
}

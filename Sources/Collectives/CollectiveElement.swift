import CMPI

/// Numbers that ranks can add and compare.
package protocol CollectiveElement: BitwiseCopyable {
  static var collectiveElement: cmpi_element { get }
}

extension Float: CollectiveElement {
  package static var collectiveElement: cmpi_element { CMPI_FLOAT32 }
}

extension Double: CollectiveElement {
  package static var collectiveElement: cmpi_element { CMPI_FLOAT64 }
}

extension Int64: CollectiveElement {
  package static var collectiveElement: cmpi_element { CMPI_INT64 }
}

/// The platforms that treg runs on have 64-bit integers.
extension Int: CollectiveElement {
  package static var collectiveElement: cmpi_element { CMPI_INT64 }
}

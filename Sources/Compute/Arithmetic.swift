import CKernels

/// What decides how this process rounds, beside the program itself.
package enum Arithmetic {
  /// Products, the instructions that kernels were picked for, and the C library, whose logarithms losses are made of.
  /// Processes that say the same compute the same bits from the same numbers.
  package static let kind: String = {
    let products =
      switch MatrixMultiply.kernels {
      case .own: "own products"
      case .blas: "products of \(MatrixMultiply.libraryName)"
      }
    let level = String(cString: tk_instruction_level())
    return "\(products), kernels for \(level), C library \(String(cString: tk_c_library_version()))"
  }()
}

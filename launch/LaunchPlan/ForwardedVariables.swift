/// Variables of the launcher's environment that ranks on other hosts need: mpirun takes none along by itself.
package enum ForwardedVariables {
  private static let prefixes = ["TREG_", "HF_", "OPENBLAS_", "OMP_", "UCX_", "MPIR_CVAR_"]
  private static let names: Set = ["LD_LIBRARY_PATH", "HUGGINGFACE_HUB_CACHE", "XDG_CACHE_HOME", "NO_COLOR"]

  /// Sorted names.
  package static func names(in environment: [String: String]) -> [String] {
    environment.keys.filter { name in names.contains(name) || prefixes.contains { name.hasPrefix($0) } }.sorted()
  }
}

import CPCRE2

/// What PCRE2 writes while it matches: belongs to one thread at a time.
final class MatchWorkspace {
  let matchData: OpaquePointer
  let context: OpaquePointer
  private let stack: OpaquePointer?

  /// Backtracking steps that one match may take. Patterns of tokenizers need a few.
  private static let stepLimit: UInt32 = 10_000_000
  /// In KiB.
  private static let heapLimit: UInt32 = 64 * 1024

  init() {
    guard let matchData = pcre2_match_data_create_8(1, nil), let context = pcre2_match_context_create_8(nil) else {
      preconditionFailure("no memory for a match")
    }
    self.matchData = matchData
    self.context = context
    pcre2_set_match_limit_8(context, Self.stepLimit)
    pcre2_set_heap_limit_8(context, Self.heapLimit)
    stack = pcre2_jit_stack_create_8(32 * 1024, 1024 * 1024, nil)
    if let stack { pcre2_jit_stack_assign_8(context, nil, UnsafeMutableRawPointer(stack)) }
  }

  deinit {
    pcre2_match_data_free_8(matchData)
    pcre2_match_context_free_8(context)
    if let stack { pcre2_jit_stack_free_8(stack) }
  }
}

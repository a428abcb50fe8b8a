import CPCRE2
import RunFolder

/// A compiled pattern of a tokenizer file. Immutable, so threads share it; what a match needs beside it is
/// ``MatchWorkspace``.
///
/// - Note: `@unchecked Sendable`: `pcre2_match` only reads the compiled code (pcre2api(3), "Multithreading").
final class RegularExpression: @unchecked Sendable {
  private let code: OpaquePointer
  /// Where the pattern stands in its file, for errors while matching.
  private let place: String

  /// - Parameters:
  ///   - pattern: in Oniguruma's Ruby syntax, or a plain text when `isLiteral`.
  ///   - place: file and key, for errors.
  /// - Throws: ``TregError`` (65) for patterns that cannot be compiled or read with equal meaning.
  init(_ pattern: String, isLiteral: Bool, place: String) throws {
    self.place = place
    var options = PCRE2_UTF | PCRE2_NO_UTF_CHECK
    var source = pattern
    if isLiteral {
      options |= PCRE2_LITERAL
    } else {
      options |= PCRE2_UCP | PCRE2_MULTILINE | PCRE2_NEVER_BACKSLASH_C
      do throws(OnigurumaPattern.Failure) {
        source = try OnigurumaPattern.translated(pattern)
      } catch {
        throw TregError.badData(at: place, error.message)
      }
    }
    guard let context = pcre2_compile_context_create_8(nil) else {
      throw TregError.inputOutput(at: place, "no memory to compile the pattern")
    }
    defer { pcre2_compile_context_free_8(context) }
    pcre2_set_newline_8(context, UInt32(PCRE2_NEWLINE_LF))
    pcre2_set_parens_nest_limit_8(context, 100)
    var failure: Int32 = 0
    var offset = 0
    let compiled = source.withUTF8 {
      // An empty buffer has no address, but the library wants one.
      let text = $0.baseAddress ?? UnsafePointer(bitPattern: 1)!
      return pcre2_compile_8(text, $0.count, options, &failure, &offset, context)
    }
    guard let compiled else {
      throw TregError.badData(at: place, "the pattern cannot be compiled: \(Self.message(of: failure))")
    }
    // Without a just-in-time compiler on this machine matches are interpreted: slower, and otherwise the same.
    _ = pcre2_jit_compile_8(compiled, UInt32(PCRE2_JIT_COMPLETE))
    code = compiled
  }

  /// Reads a pattern of a tokenizer file: `{"Regex": …}` or `{"String": …}`.
  convenience init(_ node: FileNode) throws {
    if let text = node["Regex"] {
      try self.init(text.string(), isLiteral: false, place: "\(text.place): \(text.path)")
    } else if let text = node["String"] {
      try self.init(text.string(), isLiteral: true, place: "\(text.place): \(text.path)")
    } else {
      throw node.error("expected {\"Regex\": …} or {\"String\": …}")
    }
  }

  deinit { pcre2_code_free_8(code) }

  private static func message(of failure: Int32) -> String {
    var buffer = [UInt8](repeating: 0, count: 256)
    let count = pcre2_get_error_message_8(failure, &buffer, buffer.count)
    return count > 0 ? String(decoding: buffer[..<Int(count)], as: UTF8.self) : "error \(failure)"
  }

  /// The first match in `text` that starts at or after `start`; nil without one.
  ///
  /// - Throws: ``TregError`` (65) when the pattern needs more steps or memory than a text may cost.
  @inline(__always)
  func firstMatch(
    in text: UnsafeBufferPointer<UInt8>, from start: Int, workspace: MatchWorkspace
  ) throws -> Range<Int>? {
    guard let base = text.baseAddress else { return nil }
    var status = pcre2_match_8(
      code, base, text.count, start, PCRE2_NO_UTF_CHECK, workspace.matchData, workspace.context)
    if status == PCRE2_ERROR_JIT_STACKLIMIT {
      // The interpreter keeps its backtracking points on the heap, under a limit of its own.
      status = pcre2_match_8(
        code, base, text.count, start, PCRE2_NO_UTF_CHECK | PCRE2_NO_JIT, workspace.matchData, workspace.context)
    }
    if status >= 0 {
      let bounds = pcre2_get_ovector_pointer_8(workspace.matchData)!
      // \K in a lookahead could turn the bounds round; patterns with \K are refused when they are compiled.
      return bounds[0]..<bounds[1]
    }
    if status == PCRE2_ERROR_NOMATCH { return nil }
    throw TregError.badData(
      at: place, "the pattern cannot be matched on a text of \(text.count) bytes: \(Self.message(of: status))")
  }
}

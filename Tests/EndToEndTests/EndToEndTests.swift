import Foundation
import Testing

/// The programs as users run them, on a model that trains in a blink. One after the other: ranks are many, cores are few.
@Suite(.serialized) struct EndToEndTests {}

/// Whether ranks can be tested. Both MPIs must be installed; TREG_TESTS_WITHOUT_MPI=1 leaves these tests out.
let withoutMPI = ProcessInfo.processInfo.environment["TREG_TESTS_WITHOUT_MPI"] == "1"

/// Builds the MPI shims where the worker looks for them, once; quick when they are there.
let shimsAreBuilt: Bool = {
  let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("../..").standardized
  let folder = URL(fileURLWithPath: Program.treg).deletingLastPathComponent().appendingPathComponent("../../cmpi")
  let make = try? Program.run(
    ["make", "-s", "-C", "\(root.path)/CMPI", "OUT=\(folder.standardized.path)"], seconds: 120)
  return make?.exitCode == 0
}()

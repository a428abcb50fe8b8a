// swift-tools-version: 6.2
import Foundation
import PackageDescription

/// Swift settings shared by every target: the language's strict mode and nothing else.
let swiftSettings: [SwiftSetting] = [.swiftLanguageMode(.v6)]

/// One room of the house: a folder under Sources and the rooms it may import.
func room(_ name: String, _ dependencies: [Target.Dependency] = []) -> Target {
  .target(name: name, dependencies: dependencies, path: "Sources/\(name)", swiftSettings: swiftSettings)
}

/// The tests of one room, under Tests/<room>Tests; golden files are read from there by path.
func tests(of name: String, _ more: [Target.Dependency] = []) -> Target {
  let path = "Tests/\(name)Tests"
  let hasGolden = FileManager.default.fileExists(atPath: Context.packageDirectory + "/" + path + "/Golden")
  return .testTarget(
    name: "\(name)Tests", dependencies: [.target(name: name)] + more, path: path,
    exclude: hasGolden ? ["Golden"] : [], swiftSettings: swiftSettings)
}

let collections: Target.Dependency = .product(name: "OrderedCollections", package: "swift-collections")
let argumentParser: Target.Dependency = .product(name: "ArgumentParser", package: "swift-argument-parser")

let package = Package(
  name: "treg",
  products: [
    .executable(name: "treg", targets: ["treg"]),
    .executable(name: "treg-launch", targets: ["treg-launch"]),
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
    .package(url: "https://github.com/apple/swift-collections", from: "1.6.0"),
    .package(url: "https://github.com/jpsim/Yams", from: "6.2.2"),
    .package(url: "https://github.com/swiftlang/swift-subprocess", from: "1.0.2"),
  ],
  targets: [
    // System libraries, found through pkg-config.
    .systemLibrary(name: "CBLAS", path: "Sources/CBLAS", pkgConfig: "openblas", providers: [.apt(["libopenblas-dev"])]),
    .systemLibrary(
      name: "CPCRE2", path: "Sources/CPCRE2", pkgConfig: "libpcre2-8", providers: [.apt(["libpcre2-dev"])]),
    .systemLibrary(name: "CZlib", path: "Sources/CZlib", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"])]),
    .systemLibrary(name: "CZstd", path: "Sources/CZstd", pkgConfig: "libzstd", providers: [.apt(["libzstd-dev"])]),
    .systemLibrary(
      name: "CSnappy", path: "Sources/CSnappy", pkgConfig: "snappy", providers: [.apt(["libsnappy-dev"])]),
    .systemLibrary(
      name: "CXXHash", path: "Sources/CXXHash", pkgConfig: "libxxhash", providers: [.apt(["libxxhash-dev"])]),
    // The table of functions that the MPI shim exports; the shim itself is built per MPI by the Makefile.
    .systemLibrary(name: "CMPI", path: "CMPI/include"),
    .target(name: "CPulse", path: "Sources/CPulse"),
    .target(
      name: "CKernels", dependencies: ["CPulse"], path: "Sources/CKernels",
      cSettings: [.unsafeFlags(["-O3", "-fno-math-errno", "-ffp-contract=on"])], linkerSettings: [.linkedLibrary("m")]),

    // Ground floor.
    room("OrderedJSON", [collections]),
    room("RunFolder", ["OrderedJSON", "CPulse", "CXXHash"]),
    room("Configuration", ["OrderedJSON", "RunFolder", .product(name: "Yams", package: "Yams")]),
    room("ModelDescription", ["OrderedJSON", "RunFolder"]),
    room("ModelFiles", ["ModelDescription", "OrderedJSON", "RunFolder"]),
    room("Tokenization", ["OrderedJSON", "RunFolder", "CPCRE2"]),
    room("ChatTemplates", ["OrderedJSON", "RunFolder"]),
    room("Objectives", ["RunFolder"]),
    room("Reporting", ["OrderedJSON", "RunFolder"]),
    room("Watch", ["OrderedJSON", "CPulse", "Reporting", "RunFolder"]),
    room("Parquet", ["OrderedJSON", "RunFolder", "CSnappy", "CZlib", "CZstd"]),

    // First floor.
    room("Compute", ["CKernels", "CBLAS", "CPulse"]),
    room("Collectives", ["RunFolder", "CMPI"]),
    room("Transformer", ["Compute", "CKernels", "ModelDescription", "ModelFiles", "RunFolder"]),
    room(
      "PreferenceData",
      ["OrderedJSON", "RunFolder", "Tokenization", "ChatTemplates", "Parquet", "CZlib", "CZstd"]),

    // Second floor.
    room(
      "Scoring",
      [
        "Transformer", "Compute", "ModelFiles", "PreferenceData", "Tokenization", "ChatTemplates", "Collectives",
        "OrderedJSON", "RunFolder",
      ]),
    room(
      "Evaluation",
      [
        "Scoring", "Transformer", "Compute", "ModelDescription", "ModelFiles", "PreferenceData", "Tokenization",
        "Collectives", "Objectives", "Configuration", "Reporting", "OrderedJSON", "RunFolder",
      ]),
    room(
      "Training",
      [
        "Scoring", "Transformer", "Compute", "CKernels", "ModelDescription", "ModelFiles", "PreferenceData",
        "Collectives", "Objectives", "Configuration", "Reporting", "Evaluation", "Watch", "OrderedJSON", "RunFolder",
      ]),

    // Programs.
    .executableTarget(
      name: "treg",
      dependencies: [
        "Training", "Evaluation", "Scoring", "Collectives", "Compute", "Configuration", "ModelFiles", "Reporting",
        "RunFolder", "Watch", argumentParser,
      ], path: "Sources/treg",
      swiftSettings: swiftSettings),
    // Calls that Swift cannot make.
    .systemLibrary(name: "CProcess", path: "launch/CProcess"),
    .target(
      name: "LaunchPlan",
      dependencies: [
        "CProcess", "RunFolder", "Configuration", "ModelDescription", "ModelFiles", "OrderedJSON", "Reporting",
        .product(name: "Subprocess", package: "swift-subprocess"), .product(name: "Yams", package: "Yams"),
      ], path: "launch/LaunchPlan", swiftSettings: swiftSettings),
    .target(
      name: "Supervision",
      dependencies: [
        "CProcess", "LaunchPlan", "RunFolder", "Configuration", "OrderedJSON", "Reporting",
        .product(name: "Subprocess", package: "swift-subprocess"),
      ], path: "launch/Supervision", swiftSettings: swiftSettings),
    .executableTarget(
      name: "treg-launch",
      dependencies: [
        "LaunchPlan", "Supervision", "Configuration", "OrderedJSON", "Reporting", "RunFolder", argumentParser,
      ],
      path: "launch/treg-launch", swiftSettings: swiftSettings),

    // Checks every collective on however many ranks it is started with; the tests start it with mpirun.
    .executableTarget(
      name: "collectives-check", dependencies: ["Collectives"], path: "Tests/CollectivesCheck",
      swiftSettings: swiftSettings),

    // Damaged files for the tests of every parser.
    .target(name: "FuzzSupport", path: "Tests/FuzzSupport", swiftSettings: swiftSettings),
    tests(of: "FuzzSupport"),

    tests(of: "OrderedJSON"),
    tests(of: "ModelDescription", ["FuzzSupport", "OrderedJSON", "RunFolder"]),
    tests(of: "Objectives", ["OrderedJSON", "RunFolder"]),
    tests(of: "RunFolder"),
    tests(of: "Scoring", ["Compute", "OrderedJSON", "PreferenceData", "RunFolder"]),
    tests(
      of: "Training",
      [
        "Collectives", "Compute", "Configuration", "FuzzSupport", "ModelDescription", "ModelFiles", "Objectives",
        "OrderedJSON", "PreferenceData", "RunFolder", "Scoring", "Transformer",
      ]),
    tests(of: "Transformer", ["Compute", "FuzzSupport", "ModelDescription", "ModelFiles", "OrderedJSON", "RunFolder"]),
    tests(of: "Compute", ["CKernels"]),
    tests(
      of: "PreferenceData", ["ChatTemplates", "CZlib", "CZstd", "FuzzSupport", "OrderedJSON", "RunFolder"]),
    tests(of: "ChatTemplates", ["FuzzSupport", "OrderedJSON", "RunFolder"]),
    tests(of: "Configuration", ["RunFolder"]),
    tests(of: "Reporting", ["OrderedJSON", "RunFolder"]),
    tests(of: "Watch", ["RunFolder"]),
    tests(of: "Parquet", ["FuzzSupport", "OrderedJSON", "RunFolder"]),
    tests(of: "LaunchPlan", ["OrderedJSON", "RunFolder"]),
    tests(of: "Supervision", ["LaunchPlan", "OrderedJSON", "RunFolder"]),
    tests(of: "ModelFiles", ["FuzzSupport", "ModelDescription", "OrderedJSON", "RunFolder", "Tokenization"]),
    tests(of: "Collectives", ["collectives-check"]),
    tests(of: "Tokenization", ["FuzzSupport", "OrderedJSON", "RunFolder"]),
    tests(
      of: "Evaluation",
      [
        "Collectives", "Configuration", "ModelDescription", "ModelFiles", "Objectives", "OrderedJSON", "PreferenceData",
        "Reporting", "RunFolder", "Scoring",
      ]),
    // The programs as users run them.
    .testTarget(
      name: "EndToEndTests",
      dependencies: ["treg", "treg-launch", "FuzzSupport", "ModelFiles", "OrderedJSON", "RunFolder"],
      path: "Tests/EndToEndTests",
      exclude: ["Golden"],
      swiftSettings: swiftSettings),
  ]
)

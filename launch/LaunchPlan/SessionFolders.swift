/// Folders of one start's own, under the same names on each of its hosts, for what Open MPI keeps while ranks run: sockets and
/// tables of its daemons on a disk, segments that ranks of a host share in memory. Left to itself it puts them into folders that
/// all jobs share, and what a job that was killed leaves there stays.
///
/// Sources: `orte_tmpdir_base`, `btl_vader_backing_directory`, `osc_sm_backing_directory` and `osc_rdma_backing_directory` of
/// `ompi_info --all`, Open MPI 4.1.
package struct SessionFolders: Sendable, Equatable {
  /// The name of both.
  package let name: String
  /// Where the daemons' folder lies.
  package let root: String
  /// Where the segments' folder lies.
  package static let memoryRoot = "/dev/shm"

  /// Paths of sockets end below it, and may have 107 bytes.
  private static let longestRoot = 32
  private static let settings = [
    "orte_tmpdir_base", "orte_local_tmpdir_base", "orte_remote_tmpdir_base", "btl_vader_backing_directory",
    "osc_sm_backing_directory", "osc_rdma_backing_directory",
  ]

  /// New names, which no other start has.
  ///
  /// - Parameters:
  ///   - environment: the launcher's. nil comes of it where it names such folders already: they are the user's to choose.
  ///   - isHere: whether all ranks are on this machine, whose TMPDIR counts then; other hosts have none of it.
  package init?(environment: [String: String], isHere: Bool) {
    guard !Self.settings.contains(where: { environment["OMPI_MCA_\($0)"] != nil }) else { return nil }
    let own = isHere ? environment["TMPDIR"] : nil
    root = own.flatMap { $0.hasPrefix("/") && $0.utf8.count <= Self.longestRoot ? $0 : nil } ?? "/tmp"
    let number = String(UInt64.random(in: 0..<1 << 48), radix: 16)
    name = "treg-launch-" + String(repeating: "0", count: 12 - number.count) + number
  }

  package var files: String { root + "/" + name }
  package var memory: String { Self.memoryRoot + "/" + name }

  /// What mpirun is told, and tells its daemons and ranks.
  package var words: [String] {
    ["--mca", "orte_tmpdir_base", files]
      + ["btl_vader", "osc_sm", "osc_rdma"].flatMap { ["--mca", $0 + "_backing_directory", memory] }
  }

  /// The first word of what ``keeper`` prints when the folders are there.
  package static let ready = "ready"

  /// A command for each host that makes the folders, readable by this user alone, and removes them when they are of no use any
  /// more: when its standard input has ended, as it does with the launcher and with ssh, and no process of the start is left,
  /// or, where a link is cut and the input does not end, when there have been processes of the start and all are gone.
  ///
  /// It is a line for any POSIX shell, since a host need not have more of us than the worker. Processes of the start are those
  /// that have the folder's path among their words or variables: daemons and ranks get it from mpirun. The line itself has the
  /// path in two pieces. Folders that are there already are another's: the command ends with 73 and touches nothing.
  package var keeper: [String] {
    let lines = [
      "umask 077", "trap : HUP INT TERM", "exec 3<&0",
      #"mkdir "$1/$3" || exit 73"#, #"mkdir "$2/$3" || { rmdir "$1/$3"; exit 73; }"#,
      #"used() { printf %s "$1/$3" | grep -qsF -f - /proc/[0-9]*/cmdline /proc/[0-9]*/environ; }"#,
      "echo \(Self.ready)", "seen=no", "looks=0",
      // 124: time is over; 143: the same, by BusyBox.
      "while timeout 10 cat <&3 >/dev/null; code=$?; [ $code = 124 ] || [ $code = 143 ]",
      #"do if used "$@"; then seen=yes; elif [ $seen = yes ]; then break; fi"#,
      // Minutes in which nothing has started: nobody is there who would end the input.
      "looks=$((looks+1)); if [ $seen = no ] && [ $looks -ge 30 ]; then break; fi", "done", "looks=0",
      #"while used "$@" && [ $looks -lt 120 ]; do looks=$((looks+1)); sleep 1; done"#,
      #"rm -rf "$1/$3" "$2/$3""#,
    ]
    return ["sh", "-c", lines.joined(separator: "; "), "sh", root, Self.memoryRoot, name]
  }
}

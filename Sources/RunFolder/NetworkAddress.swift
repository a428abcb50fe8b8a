import Glibc

/// An IPv4 address of this machine and the network that it lies in.
package struct NetworkAddress: Sendable, Equatable {
  package let interface: String
  /// `10.77.0.11`
  package let address: String
  /// `10.77.0.0/24`
  package let network: String

  /// - Parameters: of the kernel, in host byte order.
  package init(interface: String, address: UInt32, mask: UInt32) {
    self.interface = interface
    self.address = Self.text(address)
    network = "\(Self.text(address & mask))/\(mask.nonzeroBitCount)"
  }

  package static func text(_ address: UInt32) -> String {
    [24, 16, 8, 0].map { String((address >> UInt32($0)) & 255) }.joined(separator: ".")
  }

  /// Addresses of interfaces that are up, the loopback aside. Source: getifaddrs(3).
  package static var own: [NetworkAddress] {
    var list: UnsafeMutablePointer<ifaddrs>?
    guard getifaddrs(&list) == 0 else { return [] }
    defer { freeifaddrs(list) }
    // IFF_UP and IFF_LOOPBACK of netdevice(7).
    let (up, loopback): (UInt32, UInt32) = (1, 8)
    var found: [NetworkAddress] = []
    for entry in sequence(first: list, next: { $0?.pointee.ifa_next }) {
      guard let entry = entry?.pointee, let address = Self.address(entry.ifa_addr),
        let mask = Self.address(entry.ifa_netmask), entry.ifa_flags & up != 0, entry.ifa_flags & loopback == 0
      else { continue }
      found.append(NetworkAddress(interface: String(cString: entry.ifa_name), address: address, mask: mask))
    }
    return found
  }

  private static func address(_ pointer: UnsafeMutablePointer<sockaddr>?) -> UInt32? {
    guard let pointer, pointer.pointee.sa_family == sa_family_t(AF_INET) else { return nil }
    return pointer.withMemoryRebound(to: sockaddr_in.self, capacity: 1) {
      UInt32(bigEndian: $0.pointee.sin_addr.s_addr)
    }
  }
}

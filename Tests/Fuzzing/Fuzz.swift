import TallyAccess
import TallyConfig
import TallyTrack

/// What libFuzzer calls with every input. The first byte says which parser gets the rest; where there are two texts, a
/// zero byte parts them.
///
/// A parser may refuse whatever it likes. What must not happen is that it stops the process or touches memory that is not
/// its own; AddressSanitizer sees that, and libFuzzer writes down the input.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzOneInput(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    guard let start, count > 0 else { return 0 }
    let input = UnsafeRawBufferPointer(start: start, count: count)
    let rest = UnsafeRawBufferPointer(rebasing: input[1...])
    let cut = rest.firstIndex(of: 0) ?? rest.endIndex
    let first = UnsafeRawBufferPointer(rebasing: rest[..<cut])
    let second = UnsafeRawBufferPointer(rebasing: rest[min(cut + 1, rest.endIndex)...])
    switch input[0] % 6 {
    case 0: track(query: rest, body: nil)
    case 1: track(query: first, body: .form(second))
    case 2: track(query: first, body: .json(second))
    case 3: track(query: first, body: .ndjson(second))
    case 4: forwardedFor(first, second)
    default: _ = try? DotEnv.parse(rest)
    }
    return 0
}

/// The package manager calls the function `main` of a program by its module; libFuzzer's is behind this one.
@_cdecl("Fuzzing_main")
public func fuzzingMain(
    _ count: CInt, _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?
) -> CInt {
    var (count, arguments) = (count, arguments)
    return runDriver(&count, &arguments, fuzzOneInput)
}

/// - Source: https://llvm.org/docs/LibFuzzer.html#using-libfuzzer-as-a-library
@_silgen_name("LLVMFuzzerRunDriver")
private func runDriver(
    _ count: UnsafeMutablePointer<CInt>,
    _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?>,
    _ callback: @convention(c) (UnsafePointer<UInt8>?, Int) -> CInt
) -> CInt

private func track(query: UnsafeRawBufferPointer, body: TrackBody?) {
    // One for all inputs, as there is one for all requests of an event loop: what one leaves behind meets the next.
    _ = try? parser.parse(query: query, body: body)
}

// libFuzzer calls from one thread.
private nonisolated(unsafe) var parser = TrackParser()

private func forwardedFor(_ proxies: UnsafeRawBufferPointer, _ header: UnsafeRawBufferPointer) {
    guard let peer = IPAddress("10.0.0.1") else { preconditionFailure("a good address") }
    let trusted = (try? AddressList(parsing: String(decoding: proxies, as: UTF8.self))) ?? someProxies
    _ = ClientAddressResolver(trustedProxies: trusted)
        .resolve(peer: peer, forwardedFor: [String(decoding: header, as: UTF8.self)])
}

private let someProxies: AddressList = {
    guard let list = try? AddressList(parsing: "10.0.0.0/8,::1") else { preconditionFailure("a good list") }
    return list
}()

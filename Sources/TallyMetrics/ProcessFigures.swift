import CoreMetrics

#if canImport(Glibc)
import Glibc
#endif

/// What this process takes, read from /proc when somebody asks (proc(5)); NaN where there is none.
public struct ProcessFigures: Sendable {
    private let memory: Meter
    private let cpu: Meter
    private let start: Meter
    private let openFiles: Meter

    public init(_ registry: MetricRegistry) {
        self.memory = Meter(.processMemory, in: registry)
        self.cpu = Meter(.processCPU, in: registry)
        self.start = Meter(.processStart, in: registry)
        self.openFiles = Meter(.processOpenFiles, in: registry)
    }

    /// Reads a few small files of the kernel's memory: some 50 µs, and nothing that waits.
    public func refresh() {
        #if canImport(Glibc)
        if let statm = Self.fields("/proc/self/statm"), statm.count > 1, let pages = Double(statm[1]) {
            self.memory.set(pages * Double(sysconf(Int32(_SC_PAGESIZE))))
        }
        let ticks = Double(sysconf(Int32(_SC_CLK_TCK)))
        // The program's name, which may hold spaces, stands in parentheses; what follows is counted from the third field.
        if let stat = Self.text("/proc/self/stat"), let name = stat.lastIndex(of: ")") {
            let fields = stat[stat.index(after: name)...].split(separator: " ")
            if fields.count > 19, let user = Double(fields[11]), let system = Double(fields[12]),
                let started = Double(fields[19])
            {
                self.cpu.set((user + system) / ticks)
                if let boot = Self.bootTime { self.start.set(boot + started / ticks) }
            }
        }
        if let count = Self.openFileCount() { self.openFiles.set(Double(count)) }
        #endif
    }

    #if canImport(Glibc)
    /// When the machine was started, in seconds since 1970.
    private static let bootTime: Double? = {
        let line = text("/proc/stat")?.split(separator: "\n").first { $0.hasPrefix("btime ") }
        return line.flatMap { Double($0.dropFirst(6)) }
    }()

    private static func openFileCount() -> Int? {
        guard let folder = opendir("/proc/self/fd") else { return nil }
        defer { closedir(folder) }
        var count = 0
        while readdir(folder) != nil { count += 1 }
        // Not ".", "..", nor the one that reads this folder.
        return count - 3
    }

    private static func fields(_ path: String) -> [Substring]? { self.text(path)?.split(separator: " ") }

    private static func text(_ path: String) -> String? {
        guard let file = fopen(path, "r") else { return nil }
        defer { fclose(file) }
        var bytes: [UInt8] = []
        var piece = [UInt8](repeating: 0, count: 4096)
        while true {
            let count = fread(&piece, 1, piece.count, file)
            guard count > 0 else { break }
            bytes += piece[..<count]
        }
        return String(decoding: bytes, as: UTF8.self)
    }
    #endif
}

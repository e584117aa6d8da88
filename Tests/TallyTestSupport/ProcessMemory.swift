import Foundation

/// What a process takes, from the outside.
public enum ProcessMemory {
    /// Resident memory, in bytes (proc(5), `statm`).
    /// - Throws: where there is no such process, or no /proc.
    public static func residentBytes(of pid: Int32) throws -> Int {
        let fields = try String(contentsOfFile: "/proc/\(pid)/statm", encoding: .utf8).split(separator: " ")
        guard fields.count > 1, let pages = Int(fields[1]) else {
            throw TestSupportError("/proc/\(pid)/statm: \(fields)")
        }
        return pages * Int(sysconf(Int32(_SC_PAGESIZE)))
    }

    /// The most that was ever resident, in bytes (proc_pid_status(5), `VmHWM`).
    /// - Throws: where there is no such process, or no /proc.
    public static func peakBytes(of pid: Int32) throws -> Int {
        let status = try String(contentsOfFile: "/proc/\(pid)/status", encoding: .utf8)
        let line = status.split(separator: "\n").first { $0.hasPrefix("VmHWM:") }
        guard let kibibytes = line?.split(separator: " ").dropLast().last.flatMap({ Int($0) }) else {
            throw TestSupportError("/proc/\(pid)/status has no VmHWM")
        }
        return kibibytes << 10
    }
}

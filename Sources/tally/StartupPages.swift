#if canImport(Glibc)
import Glibc

/// Gives back the memory of code and constants that only the start needed.
///
/// The program is large because Swift's libraries, Foundation's tables among them, are inside. A start touches some
/// 30 MB of them, mostly to look up types; serving needs a part of that.
enum StartupPages {
    /// Lets go of the pages of the program's own file that nobody has written to. The kernel reads a page again when it
    /// is needed (madvise(2), MADV_DONTNEED).
    static func giveBack() {
        for range in self.unwrittenMappings() {
            madvise(UnsafeMutableRawPointer(bitPattern: range.lowerBound), range.count, MADV_DONTNEED)
        }
    }

    /// The mappings of the program's file that are read-only and hold no page of this process' own: those that the
    /// linker has relocated do, and would be lost.
    private static func unwrittenMappings() -> [Range<UInt>] {
        guard let maps = fopen("/proc/self/smaps", "r") else { return [] }
        defer { fclose(maps) }
        var path = [CChar](repeating: 0, count: 4096)
        let length = readlink("/proc/self/exe", &path, path.count)
        guard length > 0 else { return [] }
        let program = path.prefix(length).map { UInt8(bitPattern: $0) }

        var found: [Range<UInt>] = []
        var current: Range<UInt>?
        var line = [CChar](repeating: 0, count: 8192)
        while fgets(&line, Int32(line.count), maps) != nil {
            let text = line.prefix { $0 != 0 && $0 != 10 }.map { UInt8(bitPattern: $0) }
            let fields = text.split(separator: UInt8(ascii: " "))
            guard let first = fields.first else { continue }
            if first.elementsEqual("Anonymous:".utf8) {
                if let range = current, fields.count > 1, fields[1].elementsEqual("0".utf8) { found.append(range) }
                current = nil
            } else if first.last != UInt8(ascii: ":"), fields.count >= 6 {
                // `start-end rwxp offset device inode path`
                let isReadOnly = fields[1].elementsEqual("r-xp".utf8) || fields[1].elementsEqual("r--p".utf8)
                let bounds = String(decoding: first, as: UTF8.self).split(separator: "-").compactMap {
                    UInt($0, radix: 16)
                }
                current = isReadOnly && text.hasSuffix(program) && bounds.count == 2 ? bounds[0]..<bounds[1] : nil
            }
        }
        return found
    }
}

extension [UInt8] {
    fileprivate func hasSuffix(_ suffix: [UInt8]) -> Bool {
        self.count >= suffix.count && self.suffix(suffix.count).elementsEqual(suffix)
    }
}
#else
/// Only Linux says which pages these are.
enum StartupPages {
    static func giveBack() {}
}
#endif

import Synchronization

/// A list that many may add to.
final class Recorder<Element: Sendable>: Sendable {
    private let kept = Mutex<[Element]>([])

    var all: [Element] { self.kept.withLock { $0 } }

    func add(_ element: Element) { self.kept.withLock { $0.append(element) } }
}

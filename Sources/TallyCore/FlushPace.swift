/// How a flush shares processors, disk and the embedded file with the counts that come in meanwhile.
public enum FlushPace: Sendable {
    /// As fast as it goes: it is short, or somebody waits for it.
    case full
    /// In small pieces with pauses between them, so that counts hardly wait. Takes a few times as long.
    case considerate
}

namespace LlmRL.Tests.Runs;

internal sealed class TemporaryFolder : IDisposable
{
    public string Path { get; } = Directory.CreateTempSubdirectory("llmrl-test-").FullName;

    public string this[string name] => System.IO.Path.Combine(Path, name);

    public void Dispose() => Directory.Delete(Path, recursive: true);
}

/// <summary>A clock that moves only when told to.</summary>
internal sealed class FakeClock : TimeProvider
{
    private TimeSpan elapsed;

    public DateTimeOffset Start { get; init; } = DateTimeOffset.FromUnixTimeSeconds(1_700_000_000);

    public override long TimestampFrequency => TimeSpan.TicksPerSecond;

    public void Advance(double seconds) => elapsed += TimeSpan.FromSeconds(seconds);

    public override DateTimeOffset GetUtcNow() => Start + elapsed;

    public override long GetTimestamp() => elapsed.Ticks + 1_000_000_000;
}

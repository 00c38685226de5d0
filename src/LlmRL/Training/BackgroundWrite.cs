namespace LlmRL.Training;

/// <summary>One write at a time on a thread of its own. Its fault comes out at the next call, so that no run goes on without its checkpoints.</summary>
internal sealed class BackgroundWrite : IDisposable
{
    private Task? pending;

    /// <summary>Throws what the last write failed with, where it has ended.</summary>
    public void ThrowIfFailed()
    {
        if (pending is { IsCompleted: true })
            Wait();
    }

    /// <summary>Waits for the last write, and throws what it failed with.</summary>
    public void Wait()
    {
        var last = pending;
        pending = null;
        last?.GetAwaiter().GetResult();
    }

    /// <summary>Starts a write once the last one has ended.</summary>
    public void Start(Action write)
    {
        Wait();
        pending = Task.Factory.StartNew(write, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
    }

    /// <summary>Waits for the last write. A fault is not thrown: another one is on its way, or <see cref="Wait"/> was called before.</summary>
    public void Dispose() => pending?.ContinueWith(_ => { }, TaskScheduler.Default).Wait();
}

using System.Runtime.InteropServices;
using LlmRL.Runs;

namespace LlmRL.Cli.Commands;

/// <summary>The first SIGINT or SIGTERM asks a run to stop after its step; a second one ends the process.</summary>
internal sealed class Interrupt : IDisposable
{
    private readonly CancellationTokenSource source = new();
    private readonly PosixSignalRegistration[] registrations;

    public Interrupt(RunConsole console) => registrations = [.. new[] { PosixSignal.SIGINT, PosixSignal.SIGTERM }.Select(signal => PosixSignalRegistration.Create(signal, context =>
    {
        if (source.IsCancellationRequested)
            return;
        context.Cancel = true;
        console.Warn("stopping after this step with a checkpoint; a second signal stops at once");
        source.Cancel();
    }))];

    public CancellationToken Token => source.Token;

    /// <summary>Asks the run to stop also when standard input ends: so it does where the process that started this one is stopped, killed or crashes.</summary>
    public void HeedEndOfInput() => new Thread(() =>
    {
        using var input = Console.OpenStandardInput();
        while (input.ReadByte() >= 0)
        {
        }

        source.Cancel();
    })
    {
        IsBackground = true,
    }.Start();

    public void Dispose()
    {
        foreach (var registration in registrations)
            registration.Dispose();
        source.Dispose();
    }
}

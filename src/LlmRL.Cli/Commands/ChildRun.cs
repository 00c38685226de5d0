using System.Diagnostics;
using System.Globalization;
using LlmRL.Sweeps;

namespace LlmRL.Cli.Commands;

/// <summary>Runs of a sweep in processes of their own, each with a share of the cores. Numbers do not depend on the number of threads.</summary>
/// <param name="device">What <c>--device</c> named.</param>
/// <param name="jobs">How many runs share the machine.</param>
internal sealed class ChildRun(string device, int jobs)
{
    private const int Interrupted = 130;

    /// <summary>Starts a run; see <see cref="RunLauncher"/>. What it prints goes to <c>log.txt</c> in its folder.</summary>
    public async Task Launch(SweepRun run, IReadOnlyList<string> donors, CancellationToken cancellation)
    {
        Directory.CreateDirectory(run.Folder);
        var log = Path.Combine(run.Folder, "log.txt");
        string error;
        int exitCode;
        using (var process = Process.Start(Command(run, donors)) ?? throw new RunFailedException($"{Environment.ProcessPath} could not be started."))
        {
            // The end of its input asks a run to stop with a checkpoint. It ends with this process too, however that happens.
            using var stop = cancellation.Register(process.StandardInput.Close);
            var output = Keep(process.StandardOutput, log);
            error = await process.StandardError.ReadToEndAsync(CancellationToken.None).ConfigureAwait(false);
            await output.ConfigureAwait(false);
            await process.WaitForExitAsync(CancellationToken.None).ConfigureAwait(false);
            exitCode = process.ExitCode;
        }

        await File.AppendAllTextAsync(log, error, CancellationToken.None).ConfigureAwait(false);
        if (exitCode == Interrupted || (exitCode != 0 && cancellation.IsCancellationRequested))
            throw new OperationCanceledException($"{run.Title} was stopped");
        if (exitCode != 0)
        {
            var message = error.Split('\n', StringSplitOptions.RemoveEmptyEntries).LastOrDefault(line => !line.StartsWith(' ')) ?? $"exit code {exitCode}";
            throw new RunFailedException($"{(message.StartsWith(Guard.Failed, StringComparison.Ordinal) ? message[Guard.Failed.Length..] : message)} (log: {log})");
        }
    }

    private ProcessStartInfo Command(SweepRun run, IReadOnlyList<string> donors)
    {
        var start = ThisProgram.Command(
        [
            "run", run.RecipeFile, "--out", run.Folder, "--resume", "--device", device, RunCommand.Attached,
            .. run.Overrides.SelectMany(setting => new[] { "--set", setting.Text }), .. donors.SelectMany(donor => new[] { RunCommand.Donor, donor }),
        ]);
        start.RedirectStandardInput = start.RedirectStandardOutput = start.RedirectStandardError = true;
        var threads = Math.Max(1, Environment.ProcessorCount / jobs).ToString(CultureInfo.InvariantCulture);
        start.Environment["DOTNET_PROCESSOR_COUNT"] = start.Environment["OMP_NUM_THREADS"] = threads;
        // Threads that spin while they wait take time from the other runs.
        start.Environment["OMP_WAIT_POLICY"] = "passive";
        return start;
    }

    private static async Task Keep(StreamReader output, string log)
    {
        using var file = new StreamWriter(log) { AutoFlush = true };
        while (await output.ReadLineAsync().ConfigureAwait(false) is { } line)
            await file.WriteLineAsync(line).ConfigureAwait(false);
    }
}

using System.Diagnostics;
using System.Globalization;

namespace LlmRL.Faults;

/// <summary>GRPO steps on a nano model in this process for some minutes, checkpoints included: memory and open files over the steps.</summary>
internal static class MemorySlope
{
    private const string Stages = """
          - grpo: { name: grpo, policy: base, data: { generator: arithmetic, split: rl, count: 2000 }, reward: { math: {} }, steps: 100000000, num_generations: 4,
              prompts_per_step: 4, max_completion_length: 12, beta: 0.01, learning_rate: 1e-5, lr_scheduler_type: constant, save_steps: 100 }
        """;

    /// <summary>The slope of resident memory that is allowed.</summary>
    public const double AllowedMegabytesPerThousandSteps = 1;

    /// <summary>Measures.</summary>
    /// <param name="folder">An empty folder.</param>
    /// <param name="length">How long.</param>
    /// <param name="say">Receives the samples and the verdict.</param>
    /// <returns>Whether memory is flat and no file stays open.</returns>
    public static bool Run(string folder, TimeSpan length, Action<string> say)
    {
        var run = new SmallRun(folder, Stages);
        var samples = new List<(double Step, double Megabytes, int Files)>();
        using var stop = new CancellationTokenSource(length);
        var metrics = Path.Combine(run.Root, "metrics.jsonl");
        var sampler = new Thread(() => Sample(samples, metrics, stop.Token, say));
        sampler.Start();
        try
        {
            run.Run(cancellation: stop.Token);
        }
        catch (OperationCanceledException)
        {
            // The time is over.
        }

        stop.Cancel();
        sampler.Join();
        // The first third is for the JIT compiler and the pools to settle.
        var settled = samples.Skip(samples.Count / 3).ToArray();
        var slope = 1000 * Slope([.. settled.Select(sample => sample.Step)], [.. settled.Select(sample => sample.Megabytes)]);
        var files = settled.Length == 0 ? 0 : settled.Max(sample => sample.Files) - settled.Min(sample => sample.Files);
        say(string.Create(CultureInfo.InvariantCulture, $"{settled[^1].Step:0} steps; slope of resident memory {slope:0.000} MB per 1,000 steps (allowed {AllowedMegabytesPerThousandSteps}); open files vary by {files}"));
        return slope < AllowedMegabytesPerThousandSteps && files <= 4;
    }

    private static void Sample(List<(double Step, double Megabytes, int Files)> samples, string metrics, CancellationToken stop, Action<string> say)
    {
        using var process = Process.GetCurrentProcess();
        var (steps, position) = (0, 0L);
        var buffer = new byte[1 << 16];
        while (!stop.WaitHandle.WaitOne(TimeSpan.FromSeconds(2)))
        {
            if (!File.Exists(metrics))
                continue;
            using (var stream = new FileStream(metrics, FileMode.Open, FileAccess.Read, FileShare.ReadWrite))
            {
                stream.Seek(position, SeekOrigin.Begin);
                for (int read; (read = stream.Read(buffer)) > 0; position += read)
                    steps += buffer.AsSpan(0, read).Count((byte)'\n');
            }

            process.Refresh();
            samples.Add((steps, process.WorkingSet64 / 1e6, Directory.GetFiles("/proc/self/fd").Length));
            if (samples.Count % 15 == 0)
                say(string.Create(CultureInfo.InvariantCulture, $"step {steps}: {samples[^1].Megabytes:0.0} MB, {samples[^1].Files} open files"));
        }
    }

    /// <summary>The least-squares slope of y over x.</summary>
    private static double Slope(double[] x, double[] y)
    {
        var (meanX, meanY) = (x.Average(), y.Average());
        return x.Zip(y, (a, b) => (a - meanX) * (b - meanY)).Sum() / x.Sum(a => (a - meanX) * (a - meanX));
    }
}

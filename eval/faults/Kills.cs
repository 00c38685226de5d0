using System.Diagnostics;
using System.Text.Json;
using LlmRL.Recipes;

namespace LlmRL.Faults;

/// <summary>
/// Kills the real program at random moments of every kind of stage, resumes it, and compares all that it leaves behind with an undisturbed run. A chain of
/// kills, one in each stage, goes through one run's folder.
/// </summary>
internal sealed class Kills
{
    private const string Recipe = """
        name: kills
        seed: 3
        model: { config: tiny.json, tokenizer: words, vocabulary_data: { generator: tldr, count: 200 } }
        stages:
          - sft: { name: sft, data: { generator: tldr, count: 100 }, steps: 30, batch_size: 4, save_steps: 3 }
          - reward_model: { name: rm, policy: sft, data: { generator: tldr, split: reward, count: 100 }, steps: 25, batch_size: 4, save_steps: 3 }
          - ppo: { name: ppo, policy: sft, value: rm, data: { generator: tldr, split: rl, count: 100 }, reward: { reward_model: { model: rm } }, steps: 10, num_ppo_epochs: 2,
              num_mini_batches: 2, prompts_per_step: 8, max_completion_length: 16, log_completions_steps: 1, save_steps: 2 }
          - grpo: { name: grpo, policy: sft, data: { generator: tldr, split: rl, count: 100 }, reward: { gold: {} }, steps: 10, num_generations: 4, prompts_per_step: 4,
              max_completion_length: 16, log_completions_steps: 1, save_steps: 2 }
          - evaluate: { name: eval, policies: [sft, ppo, grpo], reward_models: [rm], data: { generator: tldr, split: test, count: 60 }, pairs: { generator: tldr, split: reward, count: 60 },
              judge: gold, max_completion_length: 24 }
        """;

    private static readonly string[] Stages = ["sft", "rm", "ppo", "grpo", "eval"];

    private readonly string folder;
    private readonly RandomStream random;
    private readonly string program;
    private readonly Dictionary<string, double> seconds = [];
    private readonly Dictionary<string, string> expected;

    /// <summary>Makes the undisturbed run.</summary>
    public Kills(string folder, ulong seed)
    {
        this.folder = folder;
        random = new RandomStream(CounterRandom.Key(seed));
        program = Path.Combine(ProgramPaths.Root ?? throw new BadInputException("LlmRL.sln is in no folder above the program"), "src", "LlmRL.Cli", "bin", "Release", "net10.0", "llmrl-cli.dll");
        File.WriteAllText(Path.Combine(folder, "tiny.json"), SmallRun.TinyConfig);
        File.WriteAllText(Path.Combine(folder, "recipe.yaml"), Recipe);
        using var process = Start("undisturbed");
        if (!Ends(process))
            throw new BadInputException("the undisturbed run failed");
        using var summary = JsonDocument.Parse(File.ReadAllText(Path.Combine(folder, "undisturbed", "summary.json")));
        foreach (var stage in summary.RootElement.GetProperty("stages").EnumerateArray())
            seconds[stage.GetProperty("name").GetString()!] = stage.GetProperty("seconds").GetDouble();
        expected = Results("undisturbed");
    }

    /// <summary>Kills and resumes.</summary>
    /// <param name="count">How many kills.</param>
    /// <param name="say">What is told of each.</param>
    /// <returns>How many kills belong to runs that ended with the same bytes.</returns>
    public int Run(int count, Action<string> say)
    {
        var good = 0;
        for (var (kills, chain) = (0, 0); kills < count; chain++)
        {
            var run = $"run-{chain}";
            var before = kills;
            foreach (var stage in Stages)
            {
                if (kills < count && Kill(run, stage) is { } where)
                    say($"kill {++kills}: {run}, {where}");
            }

            using (var last = Start(run))
            {
                if (!Ends(last))
                    say($"{run}: resuming failed");
            }

            var difference = Difference(run);
            say(difference is null ? $"{run}: the same bytes after {kills - before} kills" : $"{run}: {difference}");
            good += difference is null ? kills - before : 0;
            if (difference is null)
                Directory.Delete(Path.Combine(folder, run), recursive: true);
        }

        return good;
    }

    private Process Start(string run)
    {
        var start = new ProcessStartInfo("dotnet", [program, "run", "recipe.yaml", "--out", run, "--resume", "--device", "cpu"])
        {
            WorkingDirectory = folder,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        start.Environment["OMP_WAIT_POLICY"] = "passive";
        var process = Process.Start(start)!;
        process.OutputDataReceived += (_, _) => { };
        process.ErrorDataReceived += (_, line) =>
        {
            if (line.Data is { } text)
                Console.Error.WriteLine(text);
        };
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
        return process;
    }

    private static bool Ends(Process process)
    {
        process.WaitForExit();
        return process.ExitCode == 0;
    }

    /// <summary>Kills the program at a random moment of a stage, its start and end included.</summary>
    /// <returns>Where; null where the program was done before.</returns>
    private string? Kill(string run, string stage)
    {
        using var process = Start(run);
        while (!process.HasExited && !Directory.Exists(Path.Combine(folder, run, "tensorboard", stage)))
            Thread.Sleep(1);
        var delay = random.NextDouble() * 1.1 * seconds[stage];
        if (process.WaitForExit(TimeSpan.FromSeconds(delay)))
            return null;
        process.Kill();
        process.WaitForExit();
        var metrics = Path.Combine(folder, run, "metrics.jsonl");
        return FormattableString.Invariant($"{delay:0.000} s into {stage}, {(File.Exists(metrics) ? File.ReadLines(metrics).Count() : 0)} rows logged");
    }

    private string? Difference(string run)
    {
        var actual = Results(run);
        return expected.Keys.Union(actual.Keys).Order(StringComparer.Ordinal).FirstOrDefault(name => expected.GetValueOrDefault(name) != actual.GetValueOrDefault(name)) is { } differing
            ? $"{differing} differs" : null;
    }

    /// <summary>Models, optimizers, loops, metrics, samples and results: all but what holds times.</summary>
    private Dictionary<string, string> Results(string run)
    {
        var root = Path.Combine(folder, run);
        var results = new Dictionary<string, string>();
        foreach (var path in Directory.GetFiles(root, "*", SearchOption.AllDirectories))
        {
            var name = Path.GetRelativePath(root, path);
            var top = name.Split(Path.DirectorySeparatorChar)[0];
            if (top is "tensorboard" or "timings.jsonl" or "report.html" or "stages.json" or ".lock" || Path.GetFileName(name) == "manifest.json")
                continue;
            var hasTimes = Path.GetFileName(name) is "trainer_state.json" or "summary.json";
            results[name] = hasTimes
                ? string.Join('\n', File.ReadLines(path).Where(line => !line.Contains("\"seconds\"", StringComparison.Ordinal) && !line.Contains("\"command\"", StringComparison.Ordinal)))
                : Convert.ToHexString(System.Security.Cryptography.SHA256.HashData(File.ReadAllBytes(path)));
        }

        return results;
    }
}

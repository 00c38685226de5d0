using LlmRL.Runs;

namespace LlmRL.Faults;

/// <summary>
/// A small run of which every write can be made to fail. Whatever fails, the run either ends as if nothing had happened, or what lies under
/// <c>checkpoints/</c> is whole and resuming ends with the bytes of an undisturbed run.
/// </summary>
internal sealed class FaultedWrites
{
    private const string Stages = """
          - sft: { name: sft, data: { generator: arithmetic, count: 30 }, steps: 4, batch_size: 2, save_steps: 2, save_total_limit: 1 }
          - grpo: { name: grpo, policy: sft, data: { generator: arithmetic, split: rl, count: 30 }, reward: { length: { target: 3 } }, steps: 2, num_generations: 2,
              prompts_per_step: 2, max_completion_length: 4, log_completions_steps: 1, save_steps: 1, save_total_limit: 1 }
        """;

    private readonly string folder;
    private readonly Dictionary<string, byte[]> expected;

    /// <summary>Runs undisturbed, and counts the operations on the disk.</summary>
    /// <param name="folder">An empty folder.</param>
    public FaultedWrites(string folder)
    {
        this.folder = folder;
        var counter = new NthWriteFault(0, WriteFaultKind.Error);
        var run = NewRun("undisturbed");
        using (Disk.Inject(counter))
            run.Run();
        Operations = counter.Count;
        expected = Results(run.Root);
    }

    /// <summary>How many writes, syncs, renames and deletions an undisturbed run makes.</summary>
    public int Operations { get; }

    /// <summary>Lets one operation fail.</summary>
    /// <param name="n">Which, from 1.</param>
    /// <param name="kind">How.</param>
    /// <returns>What is wrong afterwards; null where nothing is, and whether the run had failed.</returns>
    public (string? Problem, bool Failed) Try(int n, WriteFaultKind kind)
    {
        var run = NewRun($"{kind}-{n}");
        var failed = false;
        using (Disk.Inject(new NthWriteFault(n, kind)))
        {
            try
            {
                run.Run();
            }
            catch (Exception fault) when (fault is IOException or BadInputException)
            {
                failed = true;
            }
        }

        var problem = Damage(run);
        if (problem is null && failed)
        {
            run.Run(resume: true);
            problem = Difference(run.Root);
        }
        else
        {
            problem ??= Difference(run.Root);
        }

        Directory.Delete(Path.GetDirectoryName(run.Root)!, recursive: true);
        return (problem, failed);
    }

    /// <summary>Everything that must have the same bytes: models, metrics and samples.</summary>
    public static Dictionary<string, byte[]> Results(string run) => Directory.GetFiles(run, "*", SearchOption.AllDirectories)
        .Select(path => (Path: path, Name: Path.GetRelativePath(run, path)))
        .Where(file => file.Name is "metrics.jsonl" or "samples.jsonl" || file.Name.StartsWith("final", StringComparison.Ordinal)).ToDictionary(file => file.Name, file => File.ReadAllBytes(file.Path));

    private SmallRun NewRun(string name)
    {
        var place = Path.Combine(folder, name);
        Directory.CreateDirectory(place);
        return new SmallRun(place, Stages);
    }

    private static string? Damage(SmallRun run)
    {
        if (!Directory.Exists(run.Root))
            return null;
        var directory = run.Directory;
        foreach (var stage in new[] { "sft", "grpo" })
        {
            foreach (var step in directory.CheckpointSteps(stage))
            {
                if (CheckpointManifest.Problem(directory.Checkpoint(stage, step)) is { } problem)
                    return $"{stage}/step-{step}: {problem}";
            }
        }

        return null;
    }

    private string? Difference(string root)
    {
        var actual = Results(root);
        var names = expected.Keys.Union(actual.Keys).Order(StringComparer.Ordinal);
        return names.FirstOrDefault(name => !expected.TryGetValue(name, out var wanted) || !actual.TryGetValue(name, out var bytes) || !wanted.AsSpan().SequenceEqual(bytes)) is { } differing
            ? $"{differing} differs" : null;
    }
}

using LlmRL.Algorithms;
using LlmRL.Evaluation;
using LlmRL.Recipes.Binding;
using LlmRL.Runs;
using LlmRL.Tokenization;
using LlmRL.Training;
using TorchSharp;

namespace LlmRL.Recipes;

/// <summary>How a recipe is run.</summary>
public sealed record PipelineOptions
{
    /// <summary>The run directory; <c>runs/NAME-seedN</c> by default.</summary>
    public string? Out { get; init; }

    /// <summary>Run this stage and what it needs, instead of all.</summary>
    public string? OnlyStage { get; init; }

    /// <summary>Run the evaluate stages alone; what they read must be finished.</summary>
    public bool EvaluateOnly { get; init; }

    /// <summary>Continue an interrupted stage from its newest checkpoint.</summary>
    public bool Resume { get; init; }

    /// <summary>With <see cref="Resume"/>: an interrupted stage whose settings changed starts again, where it is an error otherwise.</summary>
    public bool RestartChanged { get; init; }

    /// <summary>Folders of other runs: a stage that one of them has finished with the same inputs and seed is taken from there.</summary>
    public IReadOnlyList<string> Donors { get; init; } = [];

    /// <summary>The recipe's file, for messages; null where the recipe was made in code.</summary>
    public string? RecipeFile { get; init; }

    /// <summary>What messages call the setting with a dotted key; by default its place in <see cref="RecipeFile"/> and the key.</summary>
    public Func<string, string>? NameSetting { get; init; }

    /// <summary>Where models live.</summary>
    public required torch.Device Device { get; init; }

    /// <summary>What the user sees of the device.</summary>
    public required string DeviceText { get; init; }

    /// <inheritdoc cref="RunEnvironment.DecodesOnDevice"/>
    internal bool DecodesOnDevice { get; init; }

    /// <summary>Whether the results are printed at the end.</summary>
    public bool ShowResults { get; init; } = true;

    /// <summary>The command as typed, for the report.</summary>
    public string? Command { get; init; }
}

/// <summary>Runs a recipe's stages in order; a finished stage whose inputs did not change is reused.</summary>
public sealed class Pipeline(Recipe recipe, PipelineOptions options, RunConsole console, TimeProvider time)
{
    /// <summary>Runs the stages.</summary>
    /// <param name="cancellation">Asks the run to stop after the current step, with a checkpoint.</param>
    /// <returns>The run's results.</returns>
    public RunSummary Run(CancellationToken cancellation)
    {
        var wanted = Wanted();
        var environment = Checked(wanted, cancellation);
        var root = options.Out ?? Path.Combine("runs", $"{recipe.Name}-seed{recipe.Seed}");
        if (options.EvaluateOnly && wanted.Exists(stage => stage.HasModel) && !Directory.Exists(root))
            throw new BadInputException($"{root}: no such run. Run the recipe first: ./llmrl run {options.RecipeFile}, or name its folder with --out.");
        var directory = RunDirectory.Create(root);
        using var running = directory.Lock(console.Note, time);
        directory.DeleteTemporaries();
        console.RunStarted(recipe.Name, [.. wanted.Select(stage => stage.Name)], options.DeviceText, directory.Root);
        var ledger = new StageLedger(directory, recipe);
        var summary = NewSummary(directory);
        var outdated = Prepare(wanted, ledger, ref summary, directory);
        AtomicFile.WriteAllText(directory.RecipePath, RecipeWriter.Write(recipe));
        using var log = new RunLog(directory, console, time, Environment.MachineName);
        (environment.Directory, environment.Log) = (directory, log);
        foreach (var stage in wanted)
        {
            cancellation.ThrowIfCancellationRequested();
            if (!outdated.Contains(stage))
            {
                console.StageReused(summary.Stage(stage.Name)!, stage.HasModel ? directory.Final(stage.Name) : null);
                continue;
            }

            var result = stage.Run(new StageContext(stage, environment));
            summary = summary.With(result);
            summary.Write(directory.SummaryPath);
            ledger.Finish(stage);
            log.StageFinished(result, stage.HasModel ? directory.Final(stage.Name) : null);
        }

        summary = summary with { Stages = [.. recipe.Stages.Select(stage => summary.Stage(stage.Name)).OfType<StageSummary>()] };
        summary.Write(directory.SummaryPath);
        Report.Write(directory);
        if (options.ShowResults)
            console.RunFinished(summary, directory);
        return summary;
    }

    /// <summary>Looks for what would stop a stage, and does nothing else.</summary>
    /// <exception cref="BadInputException">The first fault, with the setting to blame.</exception>
    public void Check() => Checked(Wanted(), default);

    /// <summary>Whether a folder holds a run of the recipe with every stage finished and no input changed since.</summary>
    public static bool IsFinished(Recipe recipe, string folder)
    {
        if (RunDirectory.TryOpen(folder) is not { } directory)
            return false;
        var ledger = new StageLedger(directory, recipe);
        return RunSummary.Read(directory.SummaryPath) is { } summary && recipe.Stages.All(stage => summary.Stage(stage.Name) is not null && ledger.IsFinished(stage));
    }

    private RunEnvironment Checked(List<Stage> wanted, CancellationToken cancellation)
    {
        var environment = new RunEnvironment
        {
            Recipe = recipe,
            Tokenizer = OpenTokenizer(),
            Device = options.Device,
            Console = console,
            Time = time,
            Cancellation = cancellation,
            Resume = options.Resume,
            DecodesOnDevice = options.DecodesOnDevice,
        };
        Preflight.Check(wanted, environment, Setting);
        return environment;
    }

    /// <summary>Finds the stages that must run, and clears away what earlier runs of them left, except checkpoints to resume from.</summary>
    private HashSet<Stage> Prepare(List<Stage> wanted, StageLedger ledger, ref RunSummary summary, RunDirectory directory)
    {
        var known = summary;
        var outdated = wanted.Where(stage => known.Stage(stage.Name) is null || !ledger.IsFinished(stage)).ToHashSet();
        if (options.EvaluateOnly && wanted.Find(stage => stage.HasModel && outdated.Contains(stage)) is { } untrained)
            throw new BadInputException($"{directory.Root}: stage {untrained.Name} is not finished, or was made with other settings. Run the recipe first: ./llmrl run {options.RecipeFile}");
        if (options is { Resume: true, RestartChanged: false } && wanted.Where(outdated.Contains).Select(ledger.Obstacle).FirstOrDefault(found => found is not null) is var (key, problem))
            throw new BadInputException($"{Setting(key)}: {problem}");
        foreach (var stage in wanted.Where(outdated.Contains).ToList())
        {
            if (FinishedStages.Find(stage, ledger.InputsOf(stage), options.Donors) is { } found)
            {
                ledger.Begin(stage, step: null);
                FinishedStages.Copy(stage, found.Donor, directory);
                summary = summary.With(found.Result);
                summary.Write(directory.SummaryPath);
                ledger.Finish(stage);
                outdated.Remove(stage);
                console.Note($"{stage.Name}  is the same in {found.Donor.Root}, taken from there");
                continue;
            }

            var (newest, earlier) = (options.Resume ? CheckpointManifest.NewestWhole(directory, stage.Name, console.Warn) : null, ledger.EarlierSteps(stage));
            if (!ledger.Begin(stage, newest))
            {
                StageLogs.Forget(directory, stage.Name);
                continue;
            }

            StageLogs.ForgetAfter(directory, stage.Name, newest!.Value);
            if (earlier is { } before)
                console.Note($"{stage.Name}: steps was {before} and is {((TrainingStage)stage).Steps}; from step {newest + 1} on the learning rate follows the schedule of the new number");
        }

        return outdated;
    }

    private string Setting(string key) => options.NameSetting?.Invoke(key) ?? $"{(options.RecipeFile is { } file ? RecipeBinder.Locate(file, key) : recipe.Name)}: {key}";

    private Tokenizer? OpenTokenizer()
    {
        try
        {
            return recipe.Model?.OpenTokenizer();
        }
        catch (BadInputException fault)
        {
            throw new BadInputException($"{Setting("model.tokenizer")}: {fault.Message}", fault);
        }
    }

    private RunSummary NewSummary(RunDirectory directory) => new()
    {
        Name = recipe.Name,
        Seed = recipe.Seed,
        Version = typeof(Pipeline).Assembly.GetName().Version?.ToString(3),
        Command = options.Command,
        Device = options.DeviceText,
        Stages = RunSummary.Read(directory.SummaryPath)?.Stages ?? [],
    };

    /// <summary>The stages to run: all, or one with everything that it reads, in the recipe's order.</summary>
    private List<Stage> Wanted()
    {
        if (options.OnlyStage is null && !options.EvaluateOnly)
            return [.. recipe.Stages];
        if (options.EvaluateOnly && !recipe.Stages.OfType<Evaluate>().Any())
            throw new BadInputException($"{options.RecipeFile ?? recipe.Name}: the recipe has no evaluate stage. Add one, or use eval --model DIR --data SOURCE.");
        if (options.OnlyStage is not null && recipe.Stages.All(stage => stage.Name != options.OnlyStage))
            throw new BadInputException($"--stage {options.OnlyStage}: the recipe has no such stage. It has {string.Join(", ", recipe.Stages.Select(stage => stage.Name))}.");
        var needed = (options.OnlyStage is { } only ? [only] : recipe.Stages.OfType<Evaluate>().Select(stage => stage.Name)).ToHashSet(StringComparer.Ordinal);
        foreach (var stage in recipe.Stages.Reverse().Where(stage => needed.Contains(stage.Name)))
            needed.UnionWith(stage.Inputs.Concat(DataReference.Of(stage).Select(data => data.Name)));
        return [.. recipe.Stages.Where(stage => needed.Contains(stage.Name))];
    }
}

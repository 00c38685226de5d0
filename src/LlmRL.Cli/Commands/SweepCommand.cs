using System.CommandLine;
using System.Globalization;
using LlmRL.Recipes;
using LlmRL.Recipes.Binding;
using LlmRL.Runs;
using LlmRL.Sweeps;

namespace LlmRL.Cli.Commands;

/// <summary><c>llmrl sweep RECIPE</c>: a recipe over seeds and a grid of settings, without a file for it.</summary>
internal static class SweepCommand
{
    private static readonly Argument<string> File = new("RECIPE") { Description = "A recipe's YAML file, or a sweep's." };
    private static readonly Option<string[]> Grid = new("--grid") { Description = "A key and its values: --grid stages.grpo.beta=0,0.001,0.01. Several make every combination.", DefaultValueFactory = _ => [] };
    private static readonly Option<string?> Seeds = new("--seeds") { Description = "How many seeds (3 is 1, 2, 3), or a list such as 1,5,9 (default: the recipe's seed)." };
    private static readonly Option<string?> Metrics = new("--metrics") { Description = "Columns of the table, such as pass@1,pass@1/sft (default: what the last evaluation measured)." };
    private static readonly Option<string?> Curves = new("--curves") { Description = "Logged metrics to draw over the steps, such as reward,kl (default: the last stage's headlines)." };
    private static readonly Option<int?> Jobs = new("--jobs") { Description = "Runs at once, each in a process with its share of the cores (default: 1)." };
    private static readonly Option<string?> Output = new("--out") { Description = "The sweep's folder (default: runs/NAME-sweep, of a sweep's file runs/NAME)." };
    private static readonly Option<string[]> Set = new("--set") { Description = "Override a recipe key in every run.", DefaultValueFactory = _ => [] };
    private static readonly Option<string?> Scale = RunCommand.ScaleOption();
    private static readonly Option<string> Device = new("--device") { Description = "auto, cpu or cuda.", DefaultValueFactory = _ => "auto" };

    public static Command Create()
    {
        var command = new Command("sweep", "Runs a recipe over seeds and a grid of settings; one table and one report compare the runs. Repeat the command to go on where it stopped.")
        {
            File, Grid, Seeds, Metrics, Curves, Jobs, Output, Set, Scale, Device,
        };
        command.SetAction(parsed => Guard.Run(() => Run(parsed)));
        return command;
    }

    /// <summary>Runs a sweep's file. Keys of <paramref name="set"/> that are not the sweep's own are set in every run.</summary>
    public static void RunFile(string path, string? output, IReadOnlyList<string> set, string device, string command)
    {
        bool IsOwn(string text) => text.Split('=')[0].Trim() is "name" or "sweep" || text.StartsWith("sweep.", StringComparison.Ordinal);
        var sweep = RecipeBinder.Load<SweepRecipe>(ProgramPaths.Resolve(path), set.Where(IsOwn));
        Run(sweep, output, set.Where(text => !IsOwn(text)), device, command);
    }

    private static void Run(ParseResult parsed)
    {
        var (path, output, set, device) = (parsed.GetValue(File)!, parsed.GetValue(Output), RunCommand.Settings(parsed, Set, Scale), parsed.GetValue(Device)!);
        var file = ProgramPaths.Resolve(path);
        var command = CommandText(parsed, path);
        var settings = new List<string>();
        if (parsed.GetValue(Seeds) is { } seeds)
            settings.Add($"sweep.seeds={SeedList(seeds)}");
        if (parsed.GetValue(Jobs) is { } jobs)
            settings.Add(string.Create(CultureInfo.InvariantCulture, $"sweep.jobs={jobs}"));
        if (parsed.GetValue(Metrics) is { } metrics)
            settings.Add($"sweep.metrics={TextList(metrics)}");
        if (parsed.GetValue(Curves) is { } curves)
            settings.Add($"sweep.curves=[{string.Join(", ", curves.Split(',').Select(metric => $"{{metric: {Quoted(metric)}}}"))}]");
        if (RecipeBinder.HasKey(file, "sweep"))
        {
            if (parsed.GetValue(Grid)! is [var given, ..])
                throw new BadInputException($"--grid {given}: {path} is a sweep; write the values under sweep.grid in it, or sweep one of its recipes.");
            RunFile(path, output, [.. settings, .. set], device, command);
            return;
        }

        var name = RecipeBinder.Load<Recipe>(file, set).Name + "-sweep";
        settings.Insert(0, $"sweep.recipe={Quoted(path)}");
        var sweep = RecipeBinder.Parse<SweepRecipe>($"name: {Quoted(name)}\nsweep: {{}}", "sweep", settings);
        Run(sweep with { Sweep = sweep.Sweep with { Grid = GridOf(parsed.GetValue(Grid)!) } }, output, set, device, command);
    }

    private static void Run(SweepRecipe sweep, string? output, IEnumerable<string> set, string device, string command)
    {
        var plan = SweepPlan.Make(sweep, output ?? Path.Combine("runs", sweep.Name), [.. set.Select(text => RecipeOverride.Parse(text))]);
        using var console = RunConsole.Create(Console.Out, TimeProvider.System, RunConsole.CanBeLive(Console.IsOutputRedirected, Environment.GetEnvironmentVariable));
        using var interrupt = new Interrupt(console);
        var runs = new HereRun(device, console);
        runs.Check(plan);
        using var running = RunDirectory.Create(plan.Root).Lock(console.Note);
        console.Note($"{sweep.Name}: {plan.Runs.Count} runs ({string.Join("; ", plan.Variants)}), writing to {plan.Root}");
        RunLauncher launch = sweep.Sweep.Jobs == 1 ? runs.Launch : new ChildRun(device, sweep.Sweep.Jobs).Launch;
        IReadOnlyList<string> failures;
        try
        {
            failures = new SweepRunner(plan, launch, console, TimeProvider.System).Run(interrupt.Token);
        }
        finally
        {
            // What is finished can be looked at, also where the rest was stopped.
            SweepFiles.Write(SweepResults.Read(plan), command);
        }

        Show(plan, console);
        if (failures.Count > 0)
            throw new RunFailedException($"{failures.Count} of {plan.Runs.Count} runs failed; repeat the command to try them again.\n{string.Join('\n', failures)}");
    }

    private static void Show(SweepPlan plan, RunConsole console)
    {
        var table = SweepTable.Of(SweepResults.Read(plan));
        foreach (var metric in table.Missing)
            console.Warn($"no run measured {metric}; the metrics of a run are in its summary.json");
        console.Note("");
        foreach (var line in System.IO.File.ReadLines(Path.Combine(plan.Root, SweepFiles.TableName)).SkipWhile(line => !line.StartsWith('|')).TakeWhile(line => line.StartsWith('|')))
            console.Note(line);
        console.Note("");
        console.Note($"Table   {Path.Combine(plan.Root, SweepFiles.TableName)}");
        console.Note($"Report  {Path.Combine(plan.Root, SweepFiles.ReportName)}  (open it in a browser)");
    }

    private static string SeedList(string text)
    {
        var parts = text.Split(',', StringSplitOptions.TrimEntries);
        if (parts.Length > 1)
            return $"[{string.Join(", ", parts.Select(part => ulong.TryParse(part, NumberStyles.None, CultureInfo.InvariantCulture, out _) ? part : throw Fault()))}]";
        if (!int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var count) || count is < 1 or > 10_000)
            throw Fault();
        return $"[{string.Join(", ", Enumerable.Range(1, count))}]";

        BadInputException Fault() => new($"--seeds {text}: give how many, such as 3, or a list of seeds, such as 1,5,9.");
    }

    private static Dictionary<string, IReadOnlyList<RecipeNode>> GridOf(IEnumerable<string> grid)
    {
        var axes = new Dictionary<string, IReadOnlyList<RecipeNode>>();
        foreach (var text in grid)
        {
            if (text.Split('=', 2) is not [{ Length: > 0 } key, { Length: > 0 } values])
                throw new BadInputException($"--grid {text}: write KEY=VALUE,VALUE, like stages.grpo.beta=0,0.01.");
            if (!axes.TryAdd(key, ((RecipeSequence)RecipeOverride.Parse($"{key}=[{values}]", "--grid").Value).Items))
                throw new BadInputException($"--grid {text}: {key} is given twice; list all of its values once.");
        }

        return axes;
    }

    private static string TextList(string text) => $"[{string.Join(", ", text.Split(',').Select(Quoted))}]";

    private static string Quoted(string text) => System.Text.Json.JsonSerializer.Serialize(text.Trim(), JsonLayout.OneLine);

    private static string CommandText(ParseResult parsed, string path)
    {
        var parts = new List<string> { "./llmrl", "sweep", path };
        foreach (var grid in parsed.GetValue(Grid)!)
            parts.AddRange(["--grid", grid]);
        foreach (var (option, value) in new[] { (Seeds, parsed.GetValue(Seeds)), (Metrics, parsed.GetValue(Metrics)), (Curves, parsed.GetValue(Curves)) })
            parts.AddRange(value is null ? [] : [option.Name, value]);
        foreach (var set in RunCommand.Settings(parsed, Set, Scale))
            parts.AddRange(["--set", set]);
        return string.Join(' ', parts);
    }
}

using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using LlmRL.Benchmarks;
using LlmRL.Models;
using LlmRL.Sweeps;
using LlmRL.Training;

namespace LlmRL.Cli.Commands;

/// <summary><c>llmrl bench PHASE</c>: how fast a phase is, and how far from what the machine can do.</summary>
internal static class BenchCommand
{
    private const string All = "all";

    private static readonly Argument<string> Phase = new("PHASE") { Description = $"{string.Join(", ", Enum.GetValues<BenchPhase>().Select(BenchRun.Name))}, or {All}." };
    private static readonly Option<string> Model = new("--model") { Description = "A config.json, or a model's folder; weights are drawn at random.", DefaultValueFactory = _ => "models/A.json" };
    private static readonly Option<bool> Json = new("--json") { Description = "One JSON object a phase." };
    private static readonly Option<int> Steps = new("--steps") { Description = "Steps that are timed.", DefaultValueFactory = _ => 5 };
    private static readonly Option<int> WarmUp = new("--warm-up") { Description = "Steps before them that are not.", DefaultValueFactory = _ => 2 };
    private static readonly Option<string> Device = new("--device") { Description = "auto, cpu or cuda.", DefaultValueFactory = _ => "auto" };
    private static readonly Option<int?> Batch = new("--batch") { Description = "Prompts, rows or pairs a step." };
    private static readonly Option<int?> Group = new("--group") { Description = "Completions a prompt." };
    private static readonly Option<int?> PromptLength = new("--prompt-length") { Description = "Tokens of a prompt." };
    private static readonly Option<int?> CompletionLength = new("--completion-length") { Description = "Tokens of a completion; none ends earlier." };
    private static readonly Option<int?> Vocabulary = new("--vocab") { Description = "Vocabulary in place of the model's." };

    private static readonly Option<int?> Lora = new("--lora") { Description = "Trains adapters of this rank on all projections in place of the weights." };

    private static readonly Option<string> Dtype = new("--dtype") { Description = "auto (bfloat16 on CUDA, else float32), float32 or bfloat16.", DefaultValueFactory = _ => "auto" };
    private static readonly Option<bool> Checkpointing = new("--checkpointing") { Description = "Computes each layer again in the backward pass (gradient_checkpointing)." };
    private static readonly Option<string> Offload = new("--optimizer-offload") { Description = "none, or disk: AdamW's moments lie in a file (optimizer_offload).", DefaultValueFactory = _ => "none" };

    public static Command Create()
    {
        var command = new Command("bench", "Times a phase as recipes run it, with a fixed batch, and compares it with the machine's limit measured beside it.")
        {
            Phase, Model, Json, Steps, WarmUp, Device, Batch, Group, PromptLength, CompletionLength, Vocabulary, Lora, Dtype, Checkpointing, Offload,
        };
        command.SetAction(parsed => Guard.Run(() => Run(parsed)));
        return command;
    }

    private static void Run(ParseResult parsed)
    {
        var name = parsed.GetValue(Phase)!;
        var wanted = Enum.GetValues<BenchPhase>().Where(phase => name == All || name == BenchRun.Name(phase)).ToArray();
        if (wanted.Length == 0)
            throw new BadInputException($"bench {name}: there is no such phase; use {string.Join(", ", Enum.GetValues<BenchPhase>().Select(BenchRun.Name))}, or {All}.");
        var settings = Settings(parsed);
        var config = settings.ReadConfig();
        foreach (var phase in wanted)
            settings.Shape(phase, config);
        // A process each: what one phase holds must not count in the next one's peak.
        var results = name == All ? wanted.Select(phase => InChild(parsed, phase)) : [Measure(settings, wanted[0], parsed.GetValue(Device)!)];
        if (parsed.GetValue(Json))
        {
            foreach (var result in results)
                Console.WriteLine(result.ToJson());
            return;
        }

        BenchTable.Write(results, Console.Out);
    }

    private static BenchSettings Settings(ParseResult parsed) => new()
    {
        ModelName = parsed.GetValue(Model)!,
        ConfigFile = BenchSettings.FindConfig(parsed.GetValue(Model)!),
        Vocabulary = parsed.GetValue(Vocabulary),
        Steps = parsed.GetValue(Steps),
        WarmUp = parsed.GetValue(WarmUp),
        Batch = parsed.GetValue(Batch),
        Group = parsed.GetValue(Group),
        PromptLength = parsed.GetValue(PromptLength),
        CompletionLength = parsed.GetValue(CompletionLength),
        LoraRank = parsed.GetValue(Lora),
        Dtype = Choice<WeightType>(parsed, Dtype),
        GradientCheckpointing = parsed.GetValue(Checkpointing),
        OptimizerOffload = Choice<OptimizerOffload>(parsed, Offload),
    };

    private static BenchResult Measure(BenchSettings settings, BenchPhase phase, string device)
    {
        var (chosen, text) = Devices.Choose(device);
        var run = new BenchRun(settings, chosen, text);
        return phase == BenchPhase.Startup ? StartUp(run, settings, device) : run.Run(phase);
    }

    /// <summary>Runs a recipe of one step again and again; each time counts from the start of the process to the line that shows its first step.</summary>
    private static BenchResult StartUp(BenchRun run, BenchSettings settings, string device)
    {
        var folder = Directory.CreateTempSubdirectory("llmrl-bench-");
        try
        {
            var recipe = run.WriteRecipe(folder.FullName);
            // Skipped after they ran: a sequence would not run what it skips.
            var runs = Enumerable.Range(0, settings.WarmUp + settings.Steps)
                .Select(i => FirstStep(recipe, Path.Combine(folder.FullName, string.Create(CultureInfo.InvariantCulture, $"run-{i}")), device)).ToArray();
            var measured = runs[settings.WarmUp..];
            var config = settings.ReadConfig();
            return run.Describe(BenchPhase.Startup, config, settings.Shape(BenchPhase.Startup, config)) with
            {
                SecondsPerStep = Spread.Of(measured.Select(one => one.Seconds)),
                PeakRssMb = measured.Max(one => one.Peak),
            };
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    private static (double Seconds, double? Peak) FirstStep(string recipe, string output, string device)
    {
        var command = ThisProgram.Command(["run", recipe, "--out", output, "--device", device]);
        command.RedirectStandardOutput = command.RedirectStandardError = true;
        var start = Stopwatch.GetTimestamp();
        using var process = Process.Start(command) ?? throw new RunFailedException($"{command.FileName} could not be started.");
        var errors = process.StandardError.ReadToEndAsync();
        (double Seconds, double? Peak)? found = null;
        while (process.StandardOutput.ReadLine() is { } line)
        {
            if (found is null && line.Contains(" 1/1 ", StringComparison.Ordinal))
                found = (Stopwatch.GetElapsedTime(start).TotalSeconds, ProcessMemory.PeakMegabytes(process.Id));
        }

        process.WaitForExit();
        return found ?? throw new RunFailedException($"the recipe made no step: {errors.GetAwaiter().GetResult().Trim()}");
    }

    private static BenchResult InChild(ParseResult parsed, BenchPhase phase)
    {
        var command = ThisProgram.Command(
        [
            "bench", BenchRun.Name(phase), "--json", "--model", parsed.GetValue(Model)!, "--device", parsed.GetValue(Device)!,
            .. Option("--steps", parsed.GetValue(Steps)), .. Option("--warm-up", parsed.GetValue(WarmUp)), .. Option("--batch", parsed.GetValue(Batch)), .. Option("--group", parsed.GetValue(Group)),
            .. Option("--prompt-length", parsed.GetValue(PromptLength)), .. Option("--completion-length", parsed.GetValue(CompletionLength)), .. Option("--vocab", parsed.GetValue(Vocabulary)),
            .. Option("--lora", parsed.GetValue(Lora)), "--dtype", parsed.GetValue(Dtype)!, .. parsed.GetValue(Checkpointing) ? new[] { "--checkpointing" } : [],
            "--optimizer-offload", parsed.GetValue(Offload)!,
        ]);
        command.RedirectStandardOutput = true;
        using var process = Process.Start(command) ?? throw new RunFailedException($"{command.FileName} could not be started.");
        var output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return process.ExitCode == 0 ? BenchResult.FromJson(output) : throw new RunFailedException($"bench {BenchRun.Name(phase)} ended with exit code {process.ExitCode}; what it said is above.");
    }

    private static T Choice<T>(ParseResult parsed, Option<string> option) where T : struct, Enum
    {
        var names = Enum.GetNames<T>().Select(name => name.ToLowerInvariant()).ToArray();
        var given = parsed.GetValue(option)!.ToLowerInvariant();
        return names.Contains(given) ? Enum.Parse<T>(given, ignoreCase: true) : throw new BadInputException($"{option.Name} {parsed.GetValue(option)}: use {string.Join(", ", names[..^1])} or {names[^1]}.");
    }

    private static string[] Option(string name, int? value) => value is { } number ? [name, number.ToString(CultureInfo.InvariantCulture)] : [];
}

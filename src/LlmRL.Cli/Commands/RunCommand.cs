using System.CommandLine;
using LlmRL.Native;
using LlmRL.Recipes;
using LlmRL.Recipes.Binding;
using LlmRL.Runs;

namespace LlmRL.Cli.Commands;

/// <summary><c>llmrl run RECIPE</c>: a recipe, or a sweep of them.</summary>
internal static class RunCommand
{
    /// <summary>Options of a run that another process started: see <see cref="ChildRun"/>.</summary>
    public const string Attached = "--attached", Donor = "--donor";

    private static readonly Argument<string> File = new("RECIPE") { Description = "A recipe's or a sweep's YAML file, see recipes/." };
    private static readonly Option<string?> Output = new("--out") { Description = "The run directory (default: runs/NAME-seedN, of a sweep runs/NAME)." };
    private static readonly Option<string[]> Set = new("--set") { Description = "Override a recipe key: --set seed=2, --set stages.grpo.steps=50.", DefaultValueFactory = _ => [] };
    private static readonly Option<string?> Scale = ScaleOption();
    private static readonly Option<string?> Stage = new("--stage") { Description = "Run this stage and what it needs, instead of all." };
    private static readonly Option<bool> Resume = new("--resume") { Description = "Continue an interrupted stage from its newest checkpoint." };
    private static readonly Option<string> Device = new("--device") { Description = "auto, cpu or cuda.", DefaultValueFactory = _ => "auto" };
    private static readonly Option<bool> IsAttached = new(Attached) { Hidden = true };
    private static readonly Option<string[]> Donors = new(Donor) { Hidden = true, DefaultValueFactory = _ => [] };

    public static Command Create()
    {
        var command = new Command("run", "Runs a recipe's stages; finished stages whose inputs did not change are reused.") { File, Output, Set, Scale, Stage, Resume, Device, IsAttached, Donors };
        command.SetAction(parsed => Guard.Run(() => Run(parsed)));
        return command;
    }

    /// <summary>The command that makes a run by itself.</summary>
    public static string Text(string recipe, IEnumerable<string> set) => string.Join(' ', new[] { "./llmrl", "run", recipe }.Concat(set.SelectMany(pair => new[] { "--set", pair })));

    /// <summary><c>--scale NAME</c>, short for <c>--set scale=NAME</c>.</summary>
    public static Option<string?> ScaleOption() => new("--scale") { Description = "The experiment's size, where the recipe has several: small or full." };

    /// <summary>All overrides that were typed.</summary>
    public static string[] Settings(ParseResult parsed, Option<string[]> set, Option<string?> scale) =>
        parsed.GetValue(scale) is { } name ? [$"scale={name}", .. parsed.GetValue(set)!] : parsed.GetValue(set)!;

    private static void Run(ParseResult parsed)
    {
        var (path, set) = (parsed.GetValue(File)!, Settings(parsed, Set, Scale));
        var file = ProgramPaths.Resolve(path);
        if (RecipeBinder.HasKey(file, "sweep"))
        {
            if (parsed.GetValue(Stage) is { } stage)
                throw new BadInputException($"--stage {stage}: {path} is a sweep, whose runs have stages of their own; give --stage with one of its recipes.");
            SweepCommand.RunFile(path, parsed.GetValue(Output), set, parsed.GetValue(Device)!, Text(path, set));
            return;
        }

        using var libtorch = new LoadingAhead();
        var recipe = RecipeBinder.Load<Recipe>(file, set);
        var (device, text) = Devices.Choose(parsed.GetValue(Device)!);
        using var console = RunConsole.Create(Console.Out, TimeProvider.System, RunConsole.CanBeLive(Console.IsOutputRedirected, Environment.GetEnvironmentVariable));
        using var interrupt = new Interrupt(console);
        if (parsed.GetValue(IsAttached))
            interrupt.HeedEndOfInput();
        var options = new PipelineOptions
        {
            Out = parsed.GetValue(Output),
            Donors = parsed.GetValue(Donors)!,
            RecipeFile = file,
            OnlyStage = parsed.GetValue(Stage),
            Resume = parsed.GetValue(Resume),
            RestartChanged = parsed.GetValue(IsAttached),
            Device = device,
            DeviceText = text,
            Command = Text(path, set),
        };
        new Pipeline(recipe, options, console, TimeProvider.System).Run(interrupt.Token);
    }

    /// <summary>libtorch loads while the recipe is read; a recipe that is refused waits for it.</summary>
    private sealed class LoadingAhead : IDisposable
    {
        private readonly Task loading = NativeTorch.LoadAhead();

        public void Dispose() => loading.Wait();
    }
}

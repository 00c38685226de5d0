using System.CommandLine;
using System.Runtime.InteropServices;
using LlmRL.Recipes;
using LlmRL.Recipes.Binding;
using LlmRL.Runs;

namespace LlmRL.Cli.Commands;

/// <summary><c>llmrl run RECIPE</c>.</summary>
internal static class RunCommand
{
    public static Command Create()
    {
        var recipe = new Argument<string>("RECIPE") { Description = "A recipe's YAML file, see recipes/." };
        var output = new Option<string?>("--out") { Description = "The run directory (default: runs/NAME-seedN)." };
        var set = new Option<string[]>("--set") { Description = "Override a recipe key: --set seed=2, --set stages.grpo.steps=50.", DefaultValueFactory = _ => [] };
        var stage = new Option<string?>("--stage") { Description = "Run this stage and what it needs, instead of all." };
        var resume = new Option<bool>("--resume") { Description = "Continue an interrupted stage from its newest checkpoint." };
        var device = new Option<string>("--device") { Description = "auto, cpu or cuda.", DefaultValueFactory = _ => "auto" };
        var command = new Command("run", "Runs a recipe's stages; finished stages whose inputs did not change are reused.") { recipe, output, set, stage, resume, device };
        command.SetAction(parsed => Guard.Run(() => Run(
            parsed.GetValue(recipe)!, parsed.GetValue(output), parsed.GetValue(set)!, parsed.GetValue(stage), parsed.GetValue(resume), parsed.GetValue(device)!)));
        return command;
    }

    private static void Run(string path, string? output, string[] set, string? stage, bool resume, string deviceName)
    {
        var recipe = RecipeBinder.Load<Recipe>(ProgramPaths.Resolve(path), set);
        var (device, text) = Devices.Choose(deviceName);
        using var console = RunConsole.Create(Console.Out, TimeProvider.System, RunConsole.CanBeLive(Console.IsOutputRedirected, Environment.GetEnvironmentVariable));
        using var interrupt = new Interrupt(console);
        var command = string.Join(' ', new[] { "./llmrl", "run", path }.Concat(set.SelectMany(pair => new[] { "--set", pair })));
        var options = new PipelineOptions { Out = output, RecipeFile = ProgramPaths.Resolve(path), OnlyStage = stage, Resume = resume, Device = device, DeviceText = text, Command = command };
        new Pipeline(recipe, options, console, TimeProvider.System).Run(interrupt.Token);
    }

    /// <summary>The first SIGINT or SIGTERM asks the run to stop after its step; a second one ends the process.</summary>
    private sealed class Interrupt : IDisposable
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

        public void Dispose()
        {
            foreach (var registration in registrations)
                registration.Dispose();
            source.Dispose();
        }
    }
}

using LlmRL.Recipes;
using LlmRL.Runs;
using LlmRL.Sweeps;
using TorchSharp;

namespace LlmRL.Cli.Commands;

/// <summary>Runs of a sweep in this process, one after another, and the check of all of them beforehand.</summary>
internal sealed class HereRun
{
    private readonly torch.Device device;
    private readonly string deviceText;
    private readonly RunConsole console;

    public HereRun(string device, RunConsole console)
    {
        (this.device, deviceText) = Devices.Choose(device);
        this.console = console;
    }

    /// <summary>Looks for what would stop a run. Seeds change no file and no length, so that one run of a variant stands for all.</summary>
    public void Check(SweepPlan plan)
    {
        foreach (var run in plan.Runs.DistinctBy(run => run.Variant).Where(run => !Pipeline.IsFinished(run.Recipe, run.Folder)))
            For(run, []).Check();
    }

    /// <summary>Makes a run; see <see cref="RunLauncher"/>.</summary>
    public Task Launch(SweepRun run, IReadOnlyList<string> donors, CancellationToken cancellation)
    {
        try
        {
            For(run, donors).Run(cancellation);
            return Task.CompletedTask;
        }
        catch (OperationCanceledException)
        {
            return Task.FromCanceled(new CancellationToken(true));
        }
        catch (Exception fault) when (fault is BadInputException or NonFiniteException or IOException or UnauthorizedAccessException)
        {
            return Task.FromException(new RunFailedException($"{fault.Message} (run: {run.Folder})", fault));
        }
    }

    private Pipeline For(SweepRun run, IReadOnlyList<string> donors) => new(run.Recipe, new PipelineOptions
    {
        Out = run.Folder,
        Donors = donors,
        Resume = true,
        RestartChanged = true,
        RecipeFile = run.RecipeFile,
        NameSetting = run.NameSetting,
        Device = device,
        DeviceText = deviceText,
        ShowResults = false,
        Command = RunCommand.Text(run.RecipeFile, run.Overrides.Select(setting => setting.Text)),
    }, console, TimeProvider.System);
}

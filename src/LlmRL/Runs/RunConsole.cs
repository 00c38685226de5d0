using System.Globalization;
using LlmRL.Alarms;
using Spectre.Console;

namespace LlmRL.Runs;

/// <summary>
/// What a user sees of a run. On a terminal: one line that moves (bar, speed, time left) with the headline metrics and their trends below it.
/// Where the output goes to a file, or the environment asks for plain text: a line every few seconds, and at the first and last step.
/// </summary>
public sealed class RunConsole : IDisposable
{
    private static readonly TimeSpan PlainInterval = TimeSpan.FromSeconds(3), LiveInterval = TimeSpan.FromMilliseconds(100);

    private readonly IAnsiConsole console;
    private readonly TimeProvider time;
    private readonly bool live;
    private LiveLine? display;
    private StageProgress? stage;
    private long lastShown;
    private int lastShownStep;

    private RunConsole(IAnsiConsole console, TimeProvider time, bool live)
    {
        this.console = console;
        this.time = time;
        this.live = live;
    }

    /// <summary>A console over the given writer.</summary>
    /// <param name="output">Where the text goes, usually <see cref="Console.Out"/>.</param>
    /// <param name="time">Clock of the pace and the time left.</param>
    /// <param name="live">True for a moving display with colours, false for plain lines; see <see cref="CanBeLive"/>.</param>
    /// <param name="width">Columns; the terminal's own where it is null and known, else 120.</param>
    public static RunConsole Create(TextWriter output, TimeProvider time, bool live, int? width = null)
    {
        var console = AnsiConsole.Create(new AnsiConsoleSettings
        {
            Ansi = live ? AnsiSupport.Yes : AnsiSupport.No,
            ColorSystem = live ? ColorSystemSupport.Standard : ColorSystemSupport.NoColors,
            Interactive = live ? InteractionSupport.Yes : InteractionSupport.No,
            Out = new AnsiConsoleOutput(output),
        });
        // Plain lines must not be wrapped at the guess of 80 columns that is made for a file.
        console.Profile.Width = width ?? (live ? console.Profile.Width : 1000);
        return new RunConsole(console, time, live);
    }

    /// <summary>True where a moving display works: a terminal, without <c>NO_COLOR</c>, <c>CI</c> or <c>TERM=dumb</c>.</summary>
    /// <param name="outputRedirected"><see cref="Console.IsOutputRedirected"/>.</param>
    /// <param name="environment">Looks up an environment variable.</param>
    public static bool CanBeLive(bool outputRedirected, Func<string, string?> environment) =>
        !outputRedirected && string.IsNullOrEmpty(environment("NO_COLOR")) && string.IsNullOrEmpty(environment("CI"))
        && environment("TERM") is not (null or "" or "dumb");

    /// <summary>Says what is about to run.</summary>
    /// <param name="name">The recipe's name.</param>
    /// <param name="stages">Its stages in order.</param>
    /// <param name="device">What it runs on, e.g. "cpu, 2 threads".</param>
    /// <param name="directory">Where everything is written.</param>
    public void RunStarted(string name, IReadOnlyList<string> stages, string device, string directory)
    {
        Line($"{name}: {string.Join(", ", stages)}", "bold");
        Line($"on {device}, writing to {directory}", "grey");
    }

    /// <summary>A stage begins.</summary>
    /// <param name="name">Its name in the recipe.</param>
    /// <param name="kind">What it does: sft, reward_model, grpo, evaluate, …</param>
    /// <param name="totalSteps">Steps that it will have made at its end.</param>
    /// <param name="startStep">Steps already made, where it resumes.</param>
    public void StageStarted(string name, string kind, int totalSteps, int startStep = 0)
    {
        CloseDisplay();
        stage = new StageProgress(name, kind, totalSteps, startStep, time);
        (lastShown, lastShownStep) = (0, -1);
        if (startStep > 0) Line(string.Create(CultureInfo.InvariantCulture, $"{name}  resuming after step {startStep} of {totalSteps}"));
        if (live) display = LiveLine.Start(console, stage);
    }

    /// <summary>A step is done.</summary>
    /// <param name="step">Its number, from 1.</param>
    /// <param name="values">Its metrics; <c>tokens_per_second</c> among them is shown as speed.</param>
    /// <param name="alarms">Names of the alarms that are on.</param>
    public void Step(int step, IEnumerable<KeyValuePair<string, double>> values, IReadOnlyList<string>? alarms = null)
    {
        var progress = Updated(step, values, alarms);
        var isDue = time.GetElapsedTime(lastShown) >= (live ? LiveInterval : PlainInterval);
        if (lastShownStep < 0 || isDue || step == progress.TotalSteps)
            Show(progress);
    }

    /// <summary>The model was measured on held-out rows: rare enough to be shown in any case.</summary>
    /// <param name="step">The steps made before.</param>
    /// <param name="values">What was measured.</param>
    /// <param name="alarms">Names of the alarms that are on.</param>
    public void Evaluation(int step, IEnumerable<KeyValuePair<string, double>> values, IReadOnlyList<string>? alarms = null) => Show(Updated(step, values, alarms));

    /// <summary>An alarm was raised, or is over.</summary>
    public void Alarm(AlarmEvent alarm) => Line(PlainText.Alarm(alarm, stage), alarm.To is null ? "red" : "grey");

    /// <summary>Something that the user should know, on a line by itself.</summary>
    public void Warn(string message) => Line($"warning: {message}", "yellow");

    /// <summary>Something worth saying, on a line by itself.</summary>
    public void Note(string message) => Line(message, "grey");

    /// <summary>A stage is done.</summary>
    /// <param name="result">What it achieved; its metrics are shown where the stage logged no steps.</param>
    /// <param name="output">What it left behind, e.g. its model's folder; null for nothing.</param>
    public void StageFinished(StageSummary result, string? output = null)
    {
        CloseDisplay();
        Line(PlainText.Finished(result, stage, output), "green");
        stage = null;
    }

    /// <summary>A stage was done in an earlier session, and its result is taken from there.</summary>
    public void StageReused(StageSummary result, string? output = null) =>
        Line($"{result.Name}  already done in {Shown.Duration(result.Seconds)}, reused{(output is null ? "" : $"  -> {output}")}", "grey");

    /// <summary>The run is done: prints the results and where to find things.</summary>
    public void RunFinished(RunSummary summary, RunDirectory directory)
    {
        CloseDisplay();
        foreach (var line in PlainText.Results(summary, directory)) Line(line);
    }

    /// <summary>Takes the moving display off the terminal, so that other text can follow.</summary>
    public void Dispose() => CloseDisplay();

    private StageProgress Updated(int step, IEnumerable<KeyValuePair<string, double>> values, IReadOnlyList<string>? alarms)
    {
        if (stage is null) throw new InvalidOperationException("A step was shown before StageStarted.");
        stage.Alarms = alarms ?? [];
        stage.Update(step, values);
        return stage;
    }

    private void Show(StageProgress progress)
    {
        (lastShown, lastShownStep) = (time.GetTimestamp(), progress.Step);
        if (display is not null) display.Refresh();
        else Line(PlainText.Progress(progress));
    }

    private void CloseDisplay()
    {
        display?.Dispose();
        display = null;
    }

    private void Line(string text, string? style = null)
    {
        if (live && style is not null) console.MarkupLine($"[{style}]{Markup.Escape(text)}[/]");
        else console.WriteLine(text);
    }
}

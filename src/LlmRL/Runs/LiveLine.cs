using System.Globalization;
using System.Text;
using Spectre.Console;

namespace LlmRL.Runs;

/// <summary>The part of the terminal that moves while a stage runs. Lines written to the same console meanwhile appear above it.</summary>
internal sealed class LiveLine : IDisposable
{
    private const int BarWidth = 28, TrendWidth = 12;

    private readonly StageProgress stage;
    private readonly TaskCompletionSource done = new();
    private LiveDisplayContext? context;
    private Task? running;

    private LiveLine(StageProgress stage) => this.stage = stage;

    public static LiveLine Start(IAnsiConsole console, StageProgress stage)
    {
        var line = new LiveLine(stage);
        // The display runs for as long as the callback does; it hands out its context before its first wait.
        line.running = console.Live(new Markup(line.Text())).AutoClear(true).StartAsync(context =>
        {
            line.context = context;
            return line.done.Task;
        });
        return line;
    }

    public void Refresh() => context?.UpdateTarget(new Markup(Text()));

    public void Dispose()
    {
        done.TrySetResult();
        running?.GetAwaiter().GetResult();
    }

    private string Text()
    {
        var text = new StringBuilder();
        var share = stage.TotalSteps > 0 ? Math.Clamp((double)stage.Step / stage.TotalSteps, 0, 1) : 0;
        var full = (int)Math.Round(share * BarWidth);
        text.Append(CultureInfo.InvariantCulture, $"[bold]{Markup.Escape(stage.Name)}[/]  ");
        text.Append(CultureInfo.InvariantCulture, $"[blue]{new string('━', full)}[/][grey]{new string('━', BarWidth - full)}[/]  ");
        text.Append(CultureInfo.InvariantCulture, $"{stage.Step}/{stage.TotalSteps}");
        if (stage.TokensPerSecond is { } rate) text.Append(CultureInfo.InvariantCulture, $"  {Shown.Rate(rate)} tok/s");
        text.Append(CultureInfo.InvariantCulture, $"  {Shown.Clock(stage.Elapsed)} elapsed");
        if (stage.SecondsLeft is { } left) text.Append(CultureInfo.InvariantCulture, $", {Shown.Clock(left)} left");
        if (stage.Alarms.Count > 0) text.Append(CultureInfo.InvariantCulture, $"  [red]{Markup.Escape(PlainText.Mark(stage.Alarms))}[/]");
        text.Append('\n');
        foreach (var name in stage.Headlines)
        {
            var label = Markup.Escape(MetricCatalog.Describe(name).Label);
            text.Append(CultureInfo.InvariantCulture,
                $"   [grey]{label}[/] {Shown.Number(stage.Latest(name))} [blue]{Shown.Sparkline(stage.History(name), TrendWidth)}[/]");
        }

        return text.ToString();
    }
}

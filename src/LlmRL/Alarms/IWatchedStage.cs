namespace LlmRL.Alarms;

/// <summary>A stage whose metrics alarms can watch.</summary>
public interface IWatchedStage
{
    /// <summary>Alarms of this stage, before those of the recipe.</summary>
    AlarmSettings? Alarms { get; }

    /// <summary>The metrics that it can log, for settings that name one; those of single reward functions and of held-out rows by their full names.</summary>
    internal IEnumerable<string> LoggedMetrics { get; }
}

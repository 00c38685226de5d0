using LlmRL.Recipes.Binding;

namespace LlmRL.Alarms;

/// <summary>
/// The alarms of a recipe or of one of its stages: <c>alarms: { kl: { above: 5 }, entropy: off }</c>, or <c>alarms: off</c>. What a stage does not set, the recipe does;
/// what neither sets has its defaults.
/// </summary>
[Switchable]
public sealed record AlarmSettings
{
    private static readonly (Func<AlarmSettings, Alarm?> Get, Alarm Default)[] Members =
    [
        (settings => settings.OverOptimisation, new OverOptimisationAlarm()),
        (settings => settings.Kl, new KlAlarm()),
        (settings => settings.LengthDrift, new LengthDriftAlarm()),
        (settings => settings.Entropy, new EntropyAlarm()),
        (settings => settings.ZeroVarianceGroups, new ZeroVarianceGroupsAlarm()),
        (settings => settings.ClippedCompletions, new ClippedCompletionsAlarm()),
    ];

    /// <summary>Whether alarms that are not set are watched for; null: as the recipe says for its stages, and by default they are.</summary>
    public bool? Enabled { get; init; }

    /// <summary>The reward rises while another measure falls.</summary>
    public OverOptimisationAlarm? OverOptimisation { get; init; }

    /// <summary>KL over its target.</summary>
    public KlAlarm? Kl { get; init; }

    /// <summary>Completions much longer or shorter than at the start.</summary>
    public LengthDriftAlarm? LengthDrift { get; init; }

    /// <summary>Entropy collapse.</summary>
    public EntropyAlarm? Entropy { get; init; }

    /// <summary>Prompts whose completions all score the same.</summary>
    public ZeroVarianceGroupsAlarm? ZeroVarianceGroups { get; init; }

    /// <summary>Completions that the length limit cut.</summary>
    public ClippedCompletionsAlarm? ClippedCompletions { get; init; }

    /// <summary>How recipes spell these settings, within a stage and of all stages.</summary>
    internal const string KeyInStage = "alarms";

    /// <summary>Every alarm with its defaults, most telling first.</summary>
    public static IReadOnlyList<Alarm> Defaults { get; } = [.. Members.Select(member => member.Default)];

    /// <summary>The alarms that are watched for in a stage.</summary>
    /// <param name="stage">What the stage sets.</param>
    /// <param name="recipe">What the recipe sets for all stages.</param>
    public static IReadOnlyList<Alarm> Of(AlarmSettings? stage, AlarmSettings? recipe)
    {
        var byDefault = stage?.Enabled ?? recipe?.Enabled ?? true;
        return [.. Members.Select(Choose).OfType<Alarm>().Where(alarm => alarm.Enabled)];

        Alarm? Choose((Func<AlarmSettings, Alarm?> Get, Alarm Default) member)
        {
            if (stage is not null && member.Get(stage) is { } own)
                return own;
            if (stage is { Enabled: false })
                return null;
            return recipe is not null && member.Get(recipe) is { } shared ? shared : byDefault ? member.Default : null;
        }
    }

    /// <summary>What watches a stage.</summary>
    /// <param name="stage">The stage.</param>
    /// <param name="recipe">What the recipe sets for all stages.</param>
    public static AlarmMonitor Watch(IWatchedStage stage, AlarmSettings? recipe) => new(Of(stage.Alarms, recipe).SelectMany(alarm => alarm.Watch(stage)));

    /// <summary>The alarms that are set and can never be raised in any of the stages: the dotted key to blame, and the problem.</summary>
    /// <param name="settings">What a stage or a recipe sets.</param>
    /// <param name="stages">The stages that it is for.</param>
    /// <param name="keyOf">The key of the settings themselves.</param>
    internal static IEnumerable<(string Key, string Problem)> Problems(AlarmSettings? settings, IReadOnlyList<IWatchedStage> stages, string keyOf)
    {
        foreach (var alarm in settings is null || stages.Count == 0 ? [] : Members.Select(member => member.Get(settings)).OfType<Alarm>().Where(alarm => alarm.Enabled))
        {
            var problems = stages.Select(alarm.Problem).ToArray();
            if (problems.All(problem => problem is not null))
                yield return ($"{keyOf}.{alarm.Name}{(problems[0]!.Value.Key is { Length: > 0 } key ? "." + KeyNames.Snake(key) : "")}", problems[0]!.Value.Problem);
        }
    }
}

using LlmRL.Algorithms;
using LlmRL.Evaluation;
using LlmRL.Rewards;

namespace LlmRL.Training;

/// <summary>What the online loop can log. Which of the algorithms' own numbers a stage has is seen when it runs; what depends on settings is left out where these rule it out.</summary>
internal static class OnlineMetrics
{
    private static readonly string[] Always =
    [
        "reward", "reward_std", "loss", "entropy", "grad_norm", "learning_rate", "num_tokens", "episode", "completions/mean_length", "completions/min_length", "completions/max_length",
        "completions/clipped_ratio", "completions/mean_terminated_length", "sampling/sampling_logp_difference/mean", "sampling/sampling_logp_difference/max", "rewards/dropped_groups",
    ];

    private static readonly string[] OfAlgorithms =
    [
        "kl", "approx_kl", "baseline", "objective/scores", "objective/non_score_reward", "val/num_eos_tokens", "val/ratio", "val/clipfrac_avg", "loss/policy_avg", "loss/value_avg", "policy/approxkl_avg",
        "policy/clipfrac_avg", "policy/entropy_avg", "importance_weight", "cispo_clip_ratio", "clip_ratio/low_mean", "clip_ratio/high_mean", "clip_ratio/region_mean", "rejection_sampling/kept", "rejection_sampling/kept_reward",
    ];

    /// <summary>The names.</summary>
    public static IEnumerable<string> Of(OnlineStage stage)
    {
        var terms = RewardTerm.Flatten(stage.Reward);
        return [.. Always, .. OfAlgorithms, .. OfSettings(stage), .. terms.SelectMany(OfReward), .. stage.EvaluationInterval > 0 ? HeldOutPrompts.Metrics(stage) : []];
    }

    private static IEnumerable<string> OfReward(RewardTerm term) =>
        [$"rewards/{term.Name}/mean", $"rewards/{term.Name}/std", .. term.Reward is IBatchReward ? [$"rewards/{term.Name}/failures"] : Array.Empty<string>()];

    private static IEnumerable<string> OfSettings(OnlineStage stage) => new (bool Has, string Name)[]
    {
        (stage.NeedsReference, "objective/kl"),
        (stage.NeedsReference, "objective/rlhf_reward"),
        (stage.NumGenerations > 1, "frac_reward_zero_std"),
        (stage.DynamicSampling is not null, "dynamic_sampling/replaced_groups"),
        (stage.AdaptiveKl is not null, "kl_coef"),
        (stage.EntropyCoefFinal is not null, "entropy_coef"),
        (stage.TargetKl is not null, "early_stop"),
    }.Where(pair => pair.Has).Select(pair => pair.Name);
}

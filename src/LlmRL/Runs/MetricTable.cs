using static LlmRL.Runs.MetricDirection;

namespace LlmRL.Runs;

/// <summary>The table behind <see cref="MetricCatalog"/>.</summary>
internal static class MetricTable
{
    // Metrics that share a plot share its explanation.
    private const string RewardRange = "Mean, lowest and highest reward in a batch; training may shift them all together.";
    private const string ImplicitReward = "β times the change in log-probability against the reference, by answer.";
    private const string AnswerLogProb = "Log-probability of a whole answer under the policy; when both fall, the policy moves to answers that are in no pair.";
    private const string Length = "Length of a completion; a steady climb of the mean can show that length is being rewarded.";
    private const string ClippedTokens = "Share of tokens whose probability ratio reached the clip range; much of it means large updates.";
    private const string ClipFractions = "Share of tokens (or actions) at the clip range, for policy and value; much of it means large updates.";
    private const string Mismatch = "Difference between log-probabilities while sampling and while training; more than rounding error is a fault.";

    public static readonly MetricInfo[] Entries =
    [
        // What a stage is for comes first, then what keeps it honest, then the machinery.
        Share("win_rate", "Win rate", "win rate", "",
            "Share of prompts on which a judge prefers this policy's answer to the reference; ties count half.", Up),
        Share("win_rate_length_controlled", "Win rate at equal length", "win rate at equal length", "",
            "The win rate that a regression on the difference of lengths predicts where there is none: a policy that wins by length alone scores one half.", Up),
        Share("judge_ties", "Ties", "ties", "", "Share of pairs on which the judge preferred neither answer, or contradicted itself.", Neutral, "judge"),
        Share("judge_inconsistent", "Position decided", "inconsistent", "", "Share of pairs on which the judge said something else with the answers in the other order.", Down, "judge"),
        new("judge_failures", "Pairs without a verdict", "no verdict", "", "Pairs on which the judge gave no verdict; each counts as a tie.", Down),
        new("judge_score", "Judge's score", "judge score", "", "Mean score of the reward model that judges.", Up),
        Share("newly_solved", "Newly solved problems", "newly solved", "",
            "Share of the problems that no sample of the first policy solved of which a sample of this one is right.", Up),
        new("reward", "Reward", "reward", "", "Mean reward of the completions: what training tries to raise.", Up),
        new("return", "Return", "return", "", "Mean undiscounted sum of rewards of the episodes that ended: what training tries to raise.", Up),
        new("episode_length", "Episode length", "len", "steps", "Mean length of the episodes that ended."),
        new("objective/scores", "Score", "score", "", "Mean score of the reward model or verifier, without the KL penalty.", Up),
        new("objective/rlhf_reward", "Score minus KL penalty", "rlhf_reward", "",
            "What PPO maximises: the score less β times the KL divergence.", Up),
        Share("accuracy", "Accuracy", "accuracy", "", "Share of preference pairs in which the preferred answer has the higher reward.", Up),
        Share("accuracy_limit", "Best possible accuracy", "accuracy limit", "", "Accuracy of the reward that the pairs' noisy labels were drawn from: no reward model can be expected to do better."),
        new("gold", "Gold reward", "gold", "",
            "Score of an independent reward that was not trained on: falls when the trained reward is over-optimised.", Up),
        Share("rewards/accuracies", "Preference accuracy", "accuracy", "",
            "Share of pairs in which the policy's implicit reward prefers the chosen answer.", Up),
        new("rewards/margins", "Implicit reward margin", "margin", "", "Implicit reward of the chosen answer minus that of the rejected one.", Up),
        new("rewards/chosen", "Implicit rewards", "chosen", "", ImplicitReward, Neutral, "dpo rewards"),
        new("rewards/rejected", "Implicit rewards", "rejected", "", ImplicitReward, Neutral,
            "dpo rewards"),
        new("logps/chosen", "Log-probability of the answers", "chosen", "nats", AnswerLogProb, Neutral, "dpo logps"),
        new("logps/rejected", "Log-probability of the answers", "rejected", "nats", AnswerLogProb, Neutral, "dpo logps"),
        new("margin", "Reward margin", "margin", "", "Mean reward of the preferred answer minus that of the other.", Up),
        new("mean_reward", "Rewards given", "mean", "", RewardRange, Neutral, "reward range"),
        new("min_reward", "Rewards given", "lowest", "", RewardRange, Neutral, "reward range"),
        new("max_reward", "Rewards given", "highest", "", RewardRange, Neutral, "reward range"),
        new("rewards/dropped_groups", "Prompts left out", "dropped", "", "Prompts of a step whose completions could not all be scored.", Down),
        new("kl", "KL to the reference", "kl", "nats", "How far the policy has moved from the model that it started from."),
        new("objective/kl", "KL to the reference", "kl", "nats", "How far the policy has moved from the SFT model, summed over a completion."),
        new("objective/non_score_reward", "KL penalty", "kl penalty", "",
            "The part of the reward that charges for moving away: −β times the KL divergence."),
        new("kl_coef", "KL coefficient β", "beta", "", "The price of KL divergence in the reward."),
        new("completions/mean_length", "Completion length", "len", "tokens", Length, Neutral, "length", "mean"),
        new("completions/min_length", "Completion length", "shortest", "tokens", Length, Neutral, "length"),
        new("completions/max_length", "Completion length", "longest", "tokens", Length, Neutral, "length"),
        new("mean_length", "Completion length", "len", "tokens", "Mean length of a completion."),
        new("completions/mean_terminated_length", "Length of finished completions", "finished len", "tokens",
            "Mean length of the completions that ended by themselves."),
        Share("completions/clipped_ratio", "Cut-off completions", "cut off", "",
            "Share of completions that hit the length limit before they ended.", Down),
        Share("clipped_ratio", "Cut-off completions", "cut off", "",
            "Share of completions that hit the length limit before they ended.", Down),
        new("val/num_eos_tokens", "Finished completions", "eos", "", "How many completions of the batch ended by themselves.", Up),
        new("loss", "Loss", "loss", "", "What the optimizer minimises.", Down),
        new("nll_loss", "Loss of the chosen answers", "nll", "nats", "Mean negative log-likelihood per token of the chosen answers.", Down),
        new("eval_loss", "Held-out loss", "eval loss", "", "Loss on data that is not trained on: rises when the model starts to memorise.", Down),
        Share("mean_token_accuracy", "Token accuracy", "acc", "", "Share of tokens that the model ranks first.", Up),
        new("perplexity", "Perplexity", "ppl", "", "exp of the mean loss per token: how many tokens the model hesitates between.", Down),
        new("entropy", "Entropy", "entropy", "nats", "How undecided the policy is per token (or action); near 0 it has stopped exploring.", Neutral),
        new("objective/entropy", "Entropy", "entropy", "nats",
            "How undecided the policy is, summed over a completion; near 0 it has stopped exploring."),
        new("policy/entropy_avg", "Entropy per token", "entropy", "nats", "How undecided the policy is per token; near 0 it has stopped exploring."),
        new("reward_std", "Reward spread", "reward_std", "", "Standard deviation of the reward within a group: no spread, nothing to learn."),
        Share("frac_reward_zero_std", "Groups without spread", "no spread", "",
            "Share of prompts whose samples all got one reward: such groups give no gradient.", Down),
        new("advantages/mean", "Advantages", "mean", "", "Mean and spread of the advantages of a step.", Neutral, "advantages"),
        new("advantages/std", "Advantages", "spread", "", "Mean and spread of the advantages of a step.", Neutral, "advantages"),
        new("policy/approxkl_avg", "KL of an update", "update kl", "nats", "How far one step's updates move the policy from the one that sampled."),
        new("approx_kl", "KL of an update", "update kl", "nats", "KL per token (or action) from the policy that sampled to the one being updated: how far the epochs over one rollout have gone."),
        Share("early_stop", "Epochs ended early", "early stop", "", "Share of steps whose epochs ended because the update's KL exceeded target_kl."),
        new("importance_weight", "Importance weight", "weight", "", "Mean weight of samples of an older policy: stays near 1."),
        new("entropy_coef", "Entropy coefficient", "entropy coef", "", "Weight of the entropy bonus, as scheduled."),
        new("dynamic_sampling/replaced_groups", "Replaced groups", "replaced", "", "Prompts whose completions all scored the same and were replaced by others."),
        new("rejection_sampling/kept", "Imitated completions", "kept", "", "Completions of the step that were imitated; none of a prompt whose completions all score the same.", Up),
        new("rejection_sampling/kept_reward", "Reward of imitated completions", "kept reward", "", "Mean reward of the completions that were imitated.", Up),
        Share("cispo_clip_ratio", "Clipped tokens", "capped", "", ClippedTokens, Neutral, "clip fraction"),
        Share("clip_ratio/region_mean", "Clipped tokens", "clipped", "", ClippedTokens, Neutral, "clip fraction", "both bounds"),
        Share("clip_ratio/low_mean", "Clipped tokens", "below", "", ClippedTokens, Neutral, "clip fraction"),
        Share("clip_ratio/high_mean", "Clipped tokens", "above", "", ClippedTokens, Neutral, "clip fraction"),
        Share("policy/clipfrac_avg", "Clip fractions", "policy", "", ClipFractions, Neutral, "clip fraction"),
        Share("val/clipfrac_avg", "Clip fractions", "value", "", ClipFractions, Neutral, "clip fraction"),
        new("val/ratio", "Probability ratio", "ratio", "", "π/π_old averaged over tokens: stays near 1."),
        new("val/explained_variance", "Explained variance", "expl. var", "",
            "How much of the returns' variance the value network predicts; 1 is perfect.", Up),
        new("loss/policy_avg", "Policy loss", "policy loss", "", "The clipped surrogate; its level alone says little."),
        new("loss/value_avg", "Value loss", "value loss", "", "Squared error of the value network's predictions.", Down),
        new("sampling/sampling_logp_difference/mean", "Sampling mismatch", "mean", "nats", Mismatch, Down, "sampling mismatch"),
        new("sampling/sampling_logp_difference/max", "Sampling mismatch", "largest", "nats", Mismatch, Down, "sampling mismatch"),
        new("grad_norm", "Gradient norm", "grad norm", "", "Length of the gradient before clipping; spikes mean unstable steps."),
        new("learning_rate", "Learning rate", "lr", "", "Step size of the optimizer, as scheduled."),
        new("lr", "Learning rate", "lr", "", "Step size of the optimizer, as scheduled."),
        new("num_tokens", "Tokens seen", "tokens", "tokens", "Tokens trained on so far."),
        new("environment_steps", "Environment steps", "steps", "steps", "Steps taken in the environment so far."),
        new("steps_per_second", "Throughput", "steps/s", "steps/s", "Environment steps per second, learning included.", Up),
        new("epoch", "Epoch", "epoch", "", "Passes over the data so far."),
        new("episode", "Episodes", "episodes", "", "Completions sampled so far."),
        new("tokens_per_second", "Throughput", "tok/s", "tokens/s", "Tokens sampled or trained on per second.", Up),
        new("samples_per_second", "Samples per second", "samples/s", "1/s", "Completions or examples per second.", Up),
        new("step_time", "Time of a step", "step time", "s", "Wall-clock time of a step.", Down),
        new("seconds", "Time of a step", "seconds", "s", "Wall-clock time of a step.", Down),
    ];

    /// <summary>A share or a probability.</summary>
    private static MetricInfo Share(
        string name, string title, string label, string unit, string explanation, MetricDirection better = Neutral, string? chart = null, string? legend = null) =>
        new(name, title, label, unit, explanation, better, chart, legend) { IsShare = true };
}

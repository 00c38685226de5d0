namespace LlmRL.Runs;

/// <summary>What the kinds of stages are called and do, for people who see them for the first time.</summary>
internal static class StageKinds
{
    private static readonly Dictionary<string, (string Title, string Explanation)> Known = new()
    {
        ["pretrain"] = ("Pre-training", "The model learns to continue text, from nothing."),
        ["sft"] = ("Supervised fine-tuning", "The model learns to imitate example answers."),
        ["reward_model"] = ("Reward model", "A copy of the model learns to score answers, from pairs in which people preferred one."),
        ["dpo"] = ("Direct preference optimisation", "The model learns from preference pairs directly, without sampling or a reward model."),
        ["reinforce"] = ("REINFORCE", "The model samples answers; those with a reward above the baseline become more likely."),
        ["rloo"] = ("RLOO", "The model samples several answers a prompt; each is compared with the mean reward of the others."),
        ["ppo"] = ("PPO",
            "The model samples answers and is updated in small clipped steps; a value network predicts the reward, and moving away has a price."),
        ["grpo"] = ("GRPO", "The model samples a group of answers a prompt; those above the group's mean reward become more likely."),
        ["rebel"] = ("REBEL",
            "The model samples pairs of answers and regresses the difference of their rewards on the change of their log-probabilities."),
        ["evaluate"] = ("Evaluation", "Models answer prompts that they were not trained on."),
    };

    /// <summary>True where the model learns from its own samples.</summary>
    public static bool IsOnline(string kind) => kind is "reinforce" or "rloo" or "ppo" or "grpo" or "rebel";

    public static string Title(string kind) => Known.TryGetValue(kind, out var known) ? known.Title : kind;

    public static string Explanation(string kind) => Known.TryGetValue(kind, out var known) ? known.Explanation : "";
}

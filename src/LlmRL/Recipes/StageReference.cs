using LlmRL.Algorithms;
using LlmRL.Evaluation;
using LlmRL.Evaluation.Judges;

namespace LlmRL.Recipes;

/// <summary>A model that a stage reads.</summary>
/// <param name="Key">The setting that names it, dotted, below the stage's own key.</param>
/// <param name="Name">A stage, a folder, or <c>base</c>.</param>
/// <param name="ScalarHead">True: it must be a reward model. False: it must be a language model. Null: either will do.</param>
internal sealed record StageReference(string Key, string Name, bool? ScalarHead)
{
    /// <summary>The models that a stage reads.</summary>
    public static IReadOnlyList<StageReference> Of(Stage stage)
    {
        var named = Named(stage).ToList();
        // A kind of stage that is not listed below still has its inputs checked.
        named.AddRange(stage.Inputs.Except(named.Select(reference => reference.Name)).Select(name => new StageReference("policy", name, null)));
        return named;
    }

    private static IEnumerable<StageReference> Named(Stage stage)
    {
        switch (stage)
        {
            case OfflineStage offline:
                yield return new("policy", offline.Policy, stage is RewardModel ? null : false);
                if (stage is Dpo { Reference: { } compared })
                    yield return new("reference", compared, false);
                break;
            case OnlineStage online:
                yield return new("policy", online.Policy, false);
                if (online.Reference is { } frozen)
                    yield return new("reference", frozen, false);
                if (online.ValueModel is { } value && value != online.Policy)
                    yield return new("value", value, null);
                foreach (var model in online.Reward.Models)
                    yield return new("reward", model, true);
                break;
            case Label label:
                yield return new("policy", label.Policy, false);
                foreach (var model in label.Judge.Models)
                    yield return new("judge", model, true);
                break;
            case Evaluate evaluate:
                foreach (var policy in evaluate.Policies)
                    yield return new("policies", policy, false);
                if (evaluate.Reference is { } measuredAgainst)
                    yield return new("reference", measuredAgainst, false);
                foreach (var model in evaluate.RewardModels)
                    yield return new("reward_models", model, true);
                foreach (var model in evaluate.Reward?.Models ?? [])
                    yield return new("reward", model, true);
                foreach (var model in JudgeSetup.Models(evaluate.Judge))
                    yield return new("judge", model, true);
                break;
        }
    }
}

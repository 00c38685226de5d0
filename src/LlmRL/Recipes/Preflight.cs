using LlmRL.Algorithms;
using LlmRL.Data;
using LlmRL.Evaluation;
using LlmRL.Evaluation.Judges;
using LlmRL.Models;
using LlmRL.Models.Lora;
using LlmRL.Recipes.Binding;
using LlmRL.Rewards;
using LlmRL.Training;

namespace LlmRL.Recipes;

/// <summary>
/// Looks, before anything is trained, for what would stop a later stage: weights that do not fit, data without the columns that a stage needs, texts that do
/// not fit the model. A recipe's own text is checked while it is read; this is about the files behind it.
/// </summary>
internal sealed class Preflight
{
    private const int SampledRows = 64;

    private readonly Recipe recipe;
    private readonly RunEnvironment environment;
    private readonly Func<string, string> setting;
    private readonly Dictionary<string, int> positionsOf = [];

    private Preflight(Recipe recipe, RunEnvironment environment, Func<string, string> setting) =>
        (this.recipe, this.environment, this.setting) = (recipe, environment, setting);

    /// <summary>Checks the stages that are to run.</summary>
    /// <param name="stages">Some of the recipe's stages.</param>
    /// <param name="environment">The run, without directory and logs.</param>
    /// <param name="setting">What messages call the setting with a dotted key: <c>file:line: key</c>.</param>
    /// <exception cref="BadInputException">The first fault, with the key that is to blame.</exception>
    public static void Check(IEnumerable<Stage> stages, RunEnvironment environment, Func<string, string> setting)
    {
        var check = new Preflight(environment.Recipe, environment, setting);
        foreach (var stage in stages)
            check.Check(stage);
    }

    private void Check(Stage stage)
    {
        var key = recipe.KeyOf(recipe.Stages.ToList().IndexOf(stage));
        if (stage is TrainingStage { NeedsLanguageModel: true } training)
        {
            Blame($"{key}.{KeyNames.Snake(nameof(TrainingStage.Dtype))}", () => WeightTypes.Choose(training.Dtype, environment.Device));
            Blame($"{key}.{KeyNames.Snake(nameof(TrainingStage.OptimizerOffload))}", () => OptimizerOffloads.Check(training.OptimizerOffload, environment.Device));
        }

        foreach (var reference in StageReference.Of(stage))
            Blame($"{key}.{reference.Key}", () => CheckModel(reference));
        switch (stage)
        {
            case OfflineStage offline:
                CheckOffline(offline, key);
                break;
            case Label label:
                CheckLabel(label, key);
                break;
            case OnlineStage online:
                CheckOnline(online, key);
                break;
            case Evaluate evaluate:
                CheckEvaluation(evaluate, key);
                break;
        }
    }

    /// <summary>Runs a check; a fault is reported with the setting to blame before it.</summary>
    private void Blame(string key, Action check)
    {
        try
        {
            check();
        }
        catch (BadInputException fault)
        {
            throw new BadInputException($"{setting(key)}: {fault.Message}", fault);
        }
    }

    private void CheckModel(StageReference reference)
    {
        if (recipe.Stages.Any(stage => stage.Name == reference.Name))
            return;
        if (environment.FolderOf(reference.Name) is not { } folder)
        {
            _ = ConfigOf(reference.Name);
            return;
        }

        var hasHead = environment.CheckFiles(reference.Name, folder);
        if (hasHead && reference.ScalarHead == false)
            throw new BadInputException($"{folder} is a reward model (it has a scalar head), which writes no text; name a language model.");
        if (!hasHead && reference.ScalarHead == true)
            throw new BadInputException($"{folder} is a language model, without a trained scalar head; name a reward model.");
        environment.CheckVocabulary(ConfigOf(reference.Name), folder);
    }

    /// <summary>The architecture of a model, before it exists: that of the model it starts from.</summary>
    private ModelConfig ConfigOf(string reference)
    {
        if (recipe.Stages.FirstOrDefault(stage => stage.Name == reference) is { } stage)
            return ConfigOf(StageReference.Of(stage)[0].Name);
        if (environment.FolderOf(reference) is { } folder)
            return ModelFolder.ReadConfig(folder);
        return recipe.Model!.Architecture(recipe.Model.Config!, environment.Tokenizer);
    }

    private void CheckOffline(OfflineStage stage, string key)
    {
        var context = new StageContext(stage, environment);
        CheckTargets(stage.Lora, stage.Policy, key);
        Blame($"{key}.data", () =>
        {
            if (IsStillToCome(stage.Data))
                return;
            var data = context.Open(stage.Data);
            var positions = Math.Min(ConfigOf(stage.Policy).ContextLength, ConfigOf(stage.ReferenceModel ?? stage.Policy).ContextLength);
            var limit = Math.Min(stage.MaxLength ?? int.MaxValue, positions);
            var shortest = First(data, SampledRows).Min(example => stage.Encode(example, context).Sequences.Max(sequence => sequence.Length));
            if (shortest > limit)
            {
                throw new BadInputException($"the first {Math.Min(SampledRows, data.Count)} rows have {shortest} and more tokens, but at most {limit} fit ("
                    + (limit == positions ? $"the model has {positions} positions" : $"max_length is {stage.MaxLength}") + "). Shorten the data, or take a model with more positions or a larger max_length.");
            }
        });
        if (stage.EvalData is { } held && !IsStillToCome(held))
            Blame($"{key}.eval_data", () => stage.Encode(context.Open(held)[0], context));
        if (stage is RewardModel { CenterOn: { } demonstrations } && !IsStillToCome(demonstrations))
            Blame($"{key}.center_on", () => Require(context.Open(demonstrations)[0], example => example.Completion, "center_on needs demonstrations", "completion"));
    }

    private void CheckTargets(LoraOptions? lora, string model, string key)
    {
        if (lora is not null)
            Blame($"{key}.lora.target_modules", () => LoraLayout.Of(ConfigOf(model), lora));
    }

    private void CheckOnline(OnlineStage stage, string key)
    {
        var context = new StageContext(stage, environment);
        CheckTargets(stage.Lora, stage.Policy, key);
        if (stage.ValueModel is { } value)
            CheckTargets(stage.Lora, value, key);
        Blame($"{key}.reward", stage.Reward.Check);
        Blame($"{key}.data", () =>
        {
            if (IsStillToCome(stage.Data))
                return;
            var data = context.Open(stage.Data);
            if (NeedsAnswer(stage.Reward))
                Require(data[0], example => example.Answer ?? example.Completion, "the reward compares with a gold answer", "answer");
            var shortest = First(data, SampledRows).Min(example => context.EncodePrompt(example).Length);
            CheckRoom(stage.Policy, shortest, stage.MaxCompletionLength, $"the shortest of the first {Math.Min(SampledRows, data.Count)} prompts");
        });
        if (stage.EvalData is not { } held || IsStillToCome(held))
            return;
        Blame($"{key}.eval_data", () =>
        {
            foreach (var example in First(context.Open(held), int.MaxValue))
            {
                if (NeedsAnswer(stage.Reward))
                    Require(example, row => row.Answer ?? row.Completion, "the reward compares with a gold answer", "answer");
                CheckRoom(stage.Policy, context.EncodePrompt(example).Length, stage.EvalSampling?.MaxCompletionLength ?? stage.MaxCompletionLength, $"the prompt at {example.Source}");
            }
        });
    }

    private void CheckLabel(Label stage, string key)
    {
        var context = new StageContext(stage, environment);
        Blame($"{key}.judge", stage.Judge.Check);
        Blame($"{key}.data", () =>
        {
            if (IsStillToCome(stage.Data))
                return;
            foreach (var example in First(context.Open(stage.Data), SampledRows))
                CheckRoom(stage.Policy, context.EncodePrompt(example).Length, stage.MaxCompletionLength, $"the prompt at {example.Source}");
        });
    }

    private void CheckEvaluation(Evaluate stage, string key)
    {
        var context = new StageContext(stage, environment);
        Blame($"{key}.reward", () => stage.Reward?.Check());
        Blame($"{key}.judge", () => JudgeSetup.Check(stage.Judge));
        if (stage.Policies.Count > 0 && !IsStillToCome(stage.Data))
        {
            Blame($"{key}.data", () =>
            {
                foreach (var example in First(context.Open(stage.Data), int.MaxValue))
                {
                    if (stage.PassAtK.Count + stage.MajAtK.Count > 0 && NeedsAnswer(stage.Verifier))
                        Require(example, row => row.Answer ?? row.Completion, "pass_at_k compares with a gold answer", "answer");
                    if (stage.Judge is not null)
                        Require(example, row => row.Completion, "a judge compares with a reference completion", "completion");
                    var length = context.EncodePrompt(example).Length;
                    foreach (var policy in stage.Policies)
                        CheckRoom(policy, length, stage.MaxCompletionLength, $"the prompt at {example.Source}");
                }
            });
        }

        if (stage.Pairs is { } pairs && !IsStillToCome(pairs))
        {
            Blame($"{key}.pairs", () =>
            {
                foreach (var example in First(context.Open(pairs), int.MaxValue))
                {
                    Require(example, row => row.Chosen, "a pair has a preferred completion", "chosen");
                    Require(example, row => row.Rejected, "a pair has another completion", "rejected");
                }
            });
        }
    }

    /// <summary>Whether the rows are what a stage of the run will label.</summary>
    private static bool IsStillToCome(DataSource data) => data.Stage is not null;

    private void CheckRoom(string policy, int prompt, int completion, string what)
    {
        var positions = Positions(policy);
        if (prompt + (long)completion > positions)
        {
            throw new BadInputException($"{what} has {prompt} tokens, which with max_completion_length {completion} exceeds the {positions} positions of {policy}. "
                + "Lower max_completion_length, shorten the prompts, or take a model with more positions.");
        }
    }

    private int Positions(string reference) =>
        positionsOf.TryGetValue(reference, out var positions) ? positions : positionsOf[reference] = ConfigOf(reference).GenerationLength;

    private static void Require(Example example, Func<Example, string?> column, string why, string name)
    {
        if (column(example) is null)
            throw new BadInputException($"{example.Source}: {why}, which this row lacks; map its column under columns.{name}.");
    }

    private static bool NeedsAnswer(IRewardSource reward) => RewardTerm.Flatten(reward).Any(term => term.Where.Count == 0
        && term.Reward is MathReward or PrefixMatchReward or CosineLengthReward { Verifier: MathReward });

    private static IEnumerable<Example> First(IExampleSource data, int count) => Enumerable.Range(0, Math.Min(count, data.Count)).Select(i => data[i]);
}

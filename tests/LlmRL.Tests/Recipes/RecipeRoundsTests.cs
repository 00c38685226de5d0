using LlmRL.Algorithms;
using LlmRL.Evaluation;
using LlmRL.Recipes;
using LlmRL.Recipes.Binding;
using LlmRL.Rewards;

namespace LlmRL.Tests.Recipes;

/// <summary><c>repeat</c>: stages that are done several times.</summary>
public class RecipeRoundsTests
{
    private const string Text = """
        name: rounds
        vars: { rounds: 3, pairs: 20 }
        model: { config: models/nano.json, tokenizer: bytes }
        stages:
          - sft: { name: sft, data: { generator: arithmetic, count: 9 }, steps: 2 }
          - repeat:
              rounds: ${rounds}
              first: { before: sft, earlier: null }
              then: { before: "rl-${round - 1}", earlier: "labels-${round - 1}" }
              stages:
                - label: { name: "labels-${round}", policy: "${before}", data: { generator: arithmetic, split: reward, count: 50 }, judge: { math: {} }, pairs: "${pairs}", after: "${earlier}" }
                - reward_model: { name: "rm-${round}", policy: sft, data: { stage: "labels-${round}" }, steps: 2 }
                - reinforce: { name: "rl-${round}", policy: "${before}", data: { generator: arithmetic, split: rl, count: 9 }, reward: { reward_model: { model: "rm-${round}" } }, steps: "${round + 4}" }
          - evaluate: { name: eval, policies: [sft, rl-1], data: { generator: arithmetic, split: test, count: 3 } }
        """;

    private static Recipe Load(string text, params string[] overrides) => RecipeBinder.Parse<Recipe>(text, "r.yaml", overrides);

    private static string Fault(string text, params string[] overrides) => Assert.Throws<BadInputException>(() => Load(text, overrides)).Message;

    [Fact]
    public void Stages_stand_once_a_round_where_the_item_stood()
    {
        var stages = Load(Text).Stages;
        Assert.Equal(["sft", "labels-1", "rm-1", "rl-1", "labels-2", "rm-2", "rl-2", "labels-3", "rm-3", "rl-3", "eval"], stages.Select(stage => stage.Name));
        Assert.Equal(["sft", "rl-1", "rl-2"], stages.OfType<Label>().Select(stage => stage.Policy));
        Assert.Equal([null, "labels-1", "labels-2"], stages.OfType<Label>().Select(stage => stage.After));
        Assert.Equal([20, 20, 20], stages.OfType<Label>().Select(stage => stage.Pairs));
        Assert.Equal(["labels-1", "labels-2", "labels-3"], stages.OfType<RewardModel>().Select(stage => stage.Data.Stage));
        Assert.Equal(["rm-1", "rm-2", "rm-3"], stages.OfType<Reinforce>().Select(stage => ((LearnedReward)stage.Reward).Model));
        Assert.Equal([5, 6, 7], stages.OfType<Reinforce>().Select(stage => stage.Steps));
    }

    [Fact]
    public void A_variable_says_how_many_rounds_there_are_and_a_round_can_be_overridden()
    {
        Assert.Equal(5, Load(Text, "vars.rounds=1").Stages.Count);
        var recipe = Load(Text, "vars.rounds=2", "stages.rl-2.steps=40");
        Assert.Equal([5, 40], recipe.Stages.OfType<Reinforce>().Select(stage => stage.Steps));
    }

    [Fact]
    public void Without_vars_rounds_are_written_out_too() =>
        Assert.Equal(["rl-1", "rl-2"], Load("""
            name: plain
            model: { config: models/nano.json, tokenizer: bytes }
            stages:
              - repeat: { rounds: 2, stages: [{ reinforce: { name: "rl-${round}", policy: base, data: { generator: arithmetic, count: 9 }, reward: math, steps: 1 } }] }
            """).Stages.Select(stage => stage.Name));

    [Theory]
    [InlineData("rounds: ${rounds}", "rounds: many", "r.yaml:7: stages.1.repeat.rounds: found \"many\", expected a whole number from 1 to 1000. Write it like rounds: 3.")]
    [InlineData("rounds: ${rounds}", "rounds: 0", "r.yaml:7: stages.1.repeat.rounds: found \"0\", expected a whole number from 1 to 1000.")]
    [InlineData("rounds: ${rounds}", "round: 3", "r.yaml:7: stages.1.repeat.round: unknown key. Did you mean rounds?")]
    [InlineData("rounds: ${rounds}", "round: 3", "r.yaml:7: stages.1.repeat.rounds: missing, expected a whole number from 1 to 1000.")]
    [InlineData("earlier: null }", "erlier: null }", "r.yaml:8: stages.1.repeat.first.erlier: then gives erlier no value. Give it one in both.")]
    [InlineData("before: sft,", "before: sft, idle: 1,", "r.yaml:8: stages.1.repeat.first.idle: then gives idle no value. Give it one in both.")]
    [InlineData("first: { before: sft", "first: { pairs: 3, before: sft", "r.yaml:8: stages.1.repeat.first.pairs: then gives pairs no value.")]
    [InlineData("first: { before: sft, earlier: null }", "first: 3", "r.yaml:8: stages.1.repeat.first: expected names with values, found \"3\". Write first: { NAME: VALUE }")]
    [InlineData("\"rm-${round}\", policy", "\"rm-${earlier}\", policy", "r.yaml:12: stages.1.repeat: ${earlier} is nothing and cannot stand inside a text. Give it a single value.")]
    [InlineData("policy: \"${before}\", data: { generator: arithmetic, split: reward", "policy: \"${before - 1}\", data: { generator: arithmetic, split: reward", "r.yaml:11: stages.1.repeat: ${before - 1}: only round can be counted up or down. Write ${round - 1}, or a name alone.")]
    [InlineData("\"rm-${round}\", policy", "rm, policy", "two stages are named 'rm'; give each its own name")]
    [InlineData("steps: \"${round + 4}\"", "steps: \"${turn}\"", "${turn} is not among the recipe's vars. There are rounds, pairs.")]
    [InlineData("${round}\" }, steps: 2", "${round + 1}\" }, steps: 2", "r.yaml:12: stages.2.reward_model.data.stage: 'labels-2' is no label stage before this one, which would have pairs; there are labels-1.")]
    [InlineData("judge: { math: {} }", "judge: { reward_model: { model: sft } }", "r.yaml:11: stages.1.label.judge: stage 'sft' is no reward model; name a reward_model stage.")]
    public void Faults_say_where_and_what_to_do(string found, string replaced, string message)
    {
        Assert.Contains(found, Text, StringComparison.Ordinal);
        Assert.Contains(message, Fault(Text.Replace(found, replaced, StringComparison.Ordinal)), StringComparison.Ordinal);
    }

    [Fact]
    public void A_name_must_be_used_and_be_no_variable()
    {
        var named = Text.Replace("first: { before", "first: { pairs: 1, before", StringComparison.Ordinal).Replace("then: { before", "then: { pairs: 2, before", StringComparison.Ordinal);
        Assert.Contains("stages.1.repeat.first.pairs: pairs is among the recipe's vars too. Take another name.", Fault(named), StringComparison.Ordinal);
        var idle = Text.Replace("first: { before", "first: { idle: 1, before", StringComparison.Ordinal).Replace("then: { before", "then: { idle: 2, before", StringComparison.Ordinal);
        Assert.Contains("r.yaml:8: stages.1.repeat.first.idle: no repeated stage uses it. Write ${idle} where it is meant, or take it out.", Fault(idle), StringComparison.Ordinal);
    }

    [Fact]
    public void Pairs_of_a_stage_are_no_prompts_and_no_vocabulary()
    {
        Assert.Contains("the rows come from a stage; name neither generator nor path", Fault(Text.Replace("{ stage: \"labels-${round}\" }", "{ stage: \"labels-${round}\", generator: tldr }", StringComparison.Ordinal)));
        Assert.Contains("model.vocabulary_data.stage: the vocabulary is there before stage 'labels-1'", Fault(Text.Replace("tokenizer: bytes", "tokenizer: words, vocabulary_data: { stage: labels-1 }", StringComparison.Ordinal)));
        Assert.Equal(["sft", "rl-1"], ((Evaluate)Load(Text).Stages[^1]).Policies);
    }
}

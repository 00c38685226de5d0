using LlmRL.Recipes.Binding;

namespace LlmRL.Tests.Recipes;

public class RecipeOverridesTests
{
    private const string Yaml = """
        name: base
        stages:
          - sft: { name: warm, batch_size: 64 }
          - grpo: { name: first, reward: { math: { tolerance: 1 } } }
          - grpo: { name: second, reward: math }
          - sft: { batch_size: 1 }
        """;

    private static SampleRecipe Bind(params string[] overrides) => RecipeBinder.Parse<SampleRecipe>(Yaml, "r.yaml", overrides);

    private static string Fault(params string[] overrides) => Assert.Throws<BadInputException>(() => Bind(overrides)).Message;

    [Theory]
    [InlineData("stages.1.steps=7", 1)]
    [InlineData("stages.1.grpo.steps=7", 1)]
    [InlineData("stages.second.steps=7", 2)]
    [InlineData("stages.second.grpo.steps= 7", 2)]
    [InlineData("stages.warm.steps=7", 0)]
    public void FindsStagesByIndexNameAndKind(string text, int stage)
    {
        var stages = Bind(text).Stages;

        Assert.Equal(7, stages[stage].Steps);
        Assert.Equal(3, stages.Count(s => s.Steps == 100));
    }

    [Fact]
    public void SetsWhatTheFileLeavesOut()
    {
        var recipe = Bind("seed=2", "model.path=a/b=c", "model.weights.x=1", "stages.first.reward.format=boxed", "stages.second.reward.tolerance=3",
            "stages.first.pass_at_k=[2, 4]", "stages.first.extras=[math]");

        Assert.Equal((2UL, "a/b=c", 1.0), (recipe.Seed, recipe.Model!.Path, recipe.Model.Weights["x"]));
        Assert.Equal(new SampleMath(1, "boxed"), ((SampleGrpo)recipe.Stages[1]).Reward);
        Assert.Equal(new SampleMath(3), ((SampleGrpo)recipe.Stages[2]).Reward);
        Assert.Equal([2, 4], ((SampleGrpo)recipe.Stages[1]).PassAtK);
        Assert.Equal([new SampleMath()], ((SampleGrpo)recipe.Stages[1]).Extras);
    }

    [Fact]
    public void LaterOnesWinAndKindsCanBeReplaced()
    {
        var recipe = Bind("seed=2", "seed=3", "stages.first.reward=length", "stages.first.reward.target=4", "stages.second.reward.length.target=5",
            "stages.3={ sft: { batch_size: 9 } }");

        Assert.Equal(3UL, recipe.Seed);
        Assert.Equal(new SampleLength(4), ((SampleGrpo)recipe.Stages[1]).Reward);
        Assert.Equal(new SampleLength(5), ((SampleGrpo)recipe.Stages[2]).Reward);
        Assert.Equal(9, ((SampleSft)recipe.Stages[3]).BatchSize);
    }

    [Theory]
    [InlineData("sed=2", "--set sed=2: sed: unknown key. Did you mean seed?")]
    [InlineData("stages.warm.stepz=2", "--set stages.warm.stepz=2: stages.0.sft.stepz: unknown key. Did you mean steps?")]
    [InlineData("stages.warm.steps=0", "--set stages.warm.steps=0: stages.0.sft.steps: 0 is out of range. It must be at least 1.")]
    [InlineData("stages.warm.steps=", "--set stages.warm.steps=: stages.0.sft.steps: no value given, expected a whole number. Write it like 10.")]
    [InlineData("stages.first.minibatch_size=7", "--set stages.first.minibatch_size=7: stages.1.grpo.minibatch_size: 7 does not divide 128 samples. Choose a divisor.")]
    [InlineData("seed", "--set seed: not an override. Write KEY=VALUE, like stages.0.steps=10.")]
    [InlineData("=3", "--set =3: not an override. Write KEY=VALUE, like stages.0.steps=10.")]
    [InlineData("a..b=3", "--set a..b=3: not an override. Write KEY=VALUE, like stages.0.steps=10.")]
    [InlineData("stages.third.steps=1", "--set stages.third.steps=1: no item third. Valid items: 0 (warm), 1 (first), 2 (second), 3 (sft).")]
    [InlineData("stages.9.steps=1", "--set stages.9.steps=1: no item 9. Valid items: 0 (warm), 1 (first), 2 (second), 3 (sft).")]
    [InlineData("stages.grpo.steps=1", "--set stages.grpo.steps=1: grpo means several items. Name one by its index: 1, 2.")]
    [InlineData("name.first=1", "--set name.first=1: name is the single value \"base\", so it has no first. Set name itself.")]
    [InlineData("stages.first.extras.0.tolerance=1", "--set stages.first.extras.0.tolerance=1: stages.first.extras is not given, so it has no 0. Set stages.first.extras itself.")]
    [InlineData("stages.warm=sftt", "--set stages.warm=sftt: stages.0: unknown kind \"sftt\". Did you mean sft? Valid kinds: grpo, sft.")]
    public void FaultsNameTheOverride(string text, string expected) => Assert.Equal(expected, Fault(text));

    [Fact]
    public void AnOverriddenKeyIsBlamedOnTheOverride() => Assert.Equal(
        "--set stages.0.minibatch_size=7: stages.0.grpo.minibatch_size: 7 does not divide 128 samples. Choose a divisor.",
        Assert.Throws<BadInputException>(() => RecipeBinder.Parse<SampleRecipe>(
            "name: a\nstages: [{ grpo: { minibatch_size: 8 } }]\n", "r.yaml", "stages.0.minibatch_size=7")).Message);

    [Fact]
    public void BrokenValuesNameTheOverride() =>
        Assert.StartsWith("--set stages.first.pass_at_k=[1: not valid YAML: ", Fault("stages.first.pass_at_k=[1"));

    [Fact]
    public void SeveralFaultyOverridesAreAllReported() => Assert.Equal(2, Fault("seed=x", "nme=y").Split('\n').Length);
}

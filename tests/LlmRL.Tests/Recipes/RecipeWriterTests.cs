using FsCheck;
using FsCheck.Fluent;
using LlmRL.Recipes.Binding;

namespace LlmRL.Tests.Recipes;

public class RecipeWriterTests
{
    private static readonly Gen<string> Words = Gen.OneOf(
        Gen.Elements("", "null", "~", "true", "yes", "1", "1e3", "-", "a: b", "a #b", " a", "a ", "*x", "&x", "!x", "%", "@", "\"", "'", "\\", "é", "日本", "\U0001F600", "a\nb", "\t", "\0", "\u0085", "\u2028", "\uFEFF", "\u00AD", "\uE000", ".inf", "{}", "[", "<<", "---", "...", "? a", "\r\n"),
        ArbMap.Default.GeneratorFor<string>().Select(text => string.Concat((text ?? "").EnumerateRunes().Select(rune => rune.ToString()))));

    private static readonly Gen<double> Reals = Gen.OneOf(
        ArbMap.Default.GeneratorFor<NormalFloat>().Select(x => x.Get),
        Gen.Elements(0.0, 1e-5, 1.5e-300, double.MaxValue, double.Epsilon, double.PositiveInfinity, double.NegativeInfinity, -0.0, 1e16, 123456789012345680000.0));

    private static readonly Gen<ISampleReward> Rewards = Gen.OneOf(
        from tolerance in Reals from format in Words.OrNull() select (ISampleReward)new SampleMath(tolerance, format),
        from target in Gen.Choose(1, 100) from scale in Reals select (ISampleReward)new SampleLength(target, (float)scale));

    private static readonly Gen<SampleStage> Stages = Gen.OneOf(
        from name in Words
        from batch in ArbMap.Default.GeneratorFor<int>()
        from rate in Gen.Choose(1, 1000)
        select (SampleStage)new SampleSft { Name = name, BatchSize = batch, LearningRate = rate / 1000.0 },
        from name in Words
        from loss in Gen.Elements(Enum.GetValues<SampleLoss>())
        from reward in Rewards.OrNull()
        from extras in Rewards.ArrayOf()
        from ks in Gen.Choose(1, 1024).ArrayOf()
        from whiten in Gen.Elements(true, false)
        select (SampleStage)new SampleGrpo { Name = name, LossType = loss, Reward = reward, Extras = extras, PassAtK = ks, Whiten = whiten });

    private static readonly Gen<SampleRecipe> Recipes =
        from name in Words
        from seed in ArbMap.Default.GeneratorFor<ulong>()
        from path in Words.OrNull()
        from weights in Words.SelectMany(key => Reals.Select(value => (key, value))).ListOf()
        from hasModel in Gen.Elements(true, false)
        from stages in Stages.NonEmptyListOf()
        let model = new SampleModel { Path = path, Weights = weights.DistinctBy(pair => pair.key).ToDictionary(pair => pair.key, pair => pair.value) }
        select new SampleRecipe { Name = name, Seed = seed, Model = hasModel ? model : null, Stages = [.. stages] };

    [Fact]
    public void WhatIsWrittenReadsBackEqual() => Prop.ForAll(Recipes.ToArbitrary(), recipe =>
    {
        var text = RecipeWriter.Write(recipe);
        var again = RecipeBinder.Parse<SampleRecipe>(text, "written.yaml");
        AssertEqual(recipe, again);
        Assert.Equal(text, RecipeWriter.Write(again));
        Assert.Equal(Fingerprint.Of(recipe), Fingerprint.Of(again));
    }).QuickCheckThrowOnFailure();

    // Field by field: records compare arrays and dictionaries by reference.
    private static void AssertEqual(SampleRecipe expected, SampleRecipe actual)
    {
        Assert.Equal((expected.Name, expected.Seed, expected.Model?.Path, expected.Model is null), (actual.Name, actual.Seed, actual.Model?.Path, actual.Model is null));
        Assert.Equal(expected.Model?.Weights, actual.Model?.Weights);
        Assert.Equal(expected.Stages.Count, actual.Stages.Count);
        foreach (var (left, right) in expected.Stages.Zip(actual.Stages))
        {
            if (left is not SampleGrpo l)
            {
                Assert.Equal(left, right);
                continue;
            }

            var r = Assert.IsType<SampleGrpo>(right);
            Assert.Equal(l.Extras, r.Extras);
            Assert.Equal(l.PassAtK, r.PassAtK);
            Assert.Equal(l, r with { Extras = l.Extras, PassAtK = l.PassAtK });
        }
    }

    [Fact]
    public void SpellsOutEveryDefault()
    {
        var recipe = new SampleRecipe
        {
            Name = "a b",
            Stages = [new SampleSft { BatchSize = 2, LearningRate = 1e-5 }, new SampleGrpo { Name = "yes", Reward = new SampleMath(), Extras = [new SampleLength(3)] }],
        };

        const string Expected = """
            name: a b
            seed: 1
            model: null
            stages:
              - sft:
                  name: ""
                  steps: 100
                  batch_size: 2
                  learning_rate: 1.0e-05
              - grpo:
                  name: "yes"
                  steps: 100
                  num_generations: 8
                  prompts_per_step: 16
                  minibatch_size: 16
                  loss_type: grpo
                  reward:
                    math:
                      tolerance: 1.0e-06
                      format: null
                  extras:
                    - length:
                        target: 3
                        scale: 0.5
                  pass_at_k: [1]
                  whiten: false

            """;
        Assert.Equal(Expected, RecipeWriter.Write(recipe));
    }

    [Fact]
    public void FingerprintsAreCanonical()
    {
        var math = new SampleMath(1e-6, "b\"x");

        Assert.Equal("{\"math\":{\"format\":\"b\\u0022x\",\"tolerance\":1.0e-06}}", Fingerprint.Text(math));
        // printf '{"length":{"scale":0.5,"target":3}}' | sha256sum
        Assert.Equal("2645922f0e503d00423ece0e9ecfd7dc72e584574a5930a70cba8fb637f7d9ad", Fingerprint.Of(new SampleLength(3)));
        Assert.NotEqual(Fingerprint.Of(math), Fingerprint.Of(math with { Tolerance = 2e-6 }));
    }

    [Fact]
    public void TextThatNoFileCanHoldIsRefused() => Assert.Throws<ArgumentException>(() => RecipeWriter.Write(new SampleMath(1, "\uD800")));
}

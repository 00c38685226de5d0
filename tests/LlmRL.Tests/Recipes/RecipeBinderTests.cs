using System.Globalization;
using LlmRL.Recipes.Binding;

namespace LlmRL.Tests.Recipes;

public class RecipeBinderTests
{
    private const string Good = """
        name: arithmetic-grpo
        seed: 18446744073709551615
        model: { config: models/nano.json, weights: { a: 1, b: 2.5e-3 } }
        stages:
          - sft: { name: warm, batch_size: 64, learning_rate: 1e-3 }
          - grpo:
              name: grpo
              num_generations: 4
              loss_type: dr_grpo
              reward: { math: { tolerance: .5 } }
              extras: [ math, { length: { target: 3 } } ]
              pass_at_k: [1, 8]
              whiten: true
          - grpo: { name: second, reward: math }
        """;

    private static SampleRecipe Bind(string yaml, params string[] overrides) => RecipeBinder.Parse<SampleRecipe>(yaml, "r.yaml", overrides);

    private static string[] Faults(string yaml, params string[] overrides) =>
        Assert.Throws<BadInputException>(() => Bind(yaml, overrides)).Message.Split('\n');

    private static void AssertFault(string expected, string yaml, params string[] overrides) => Assert.Equal([expected], Faults(yaml, overrides));

    private static string Grpo(string settings) => $"name: a\nstages:\n  - grpo: {{ {settings} }}\n";

    [Fact]
    public void BindsEveryKindOfValue()
    {
        var recipe = Bind(Good);

        Assert.Equal("arithmetic-grpo", recipe.Name);
        Assert.Equal(ulong.MaxValue, recipe.Seed);
        Assert.Equal("models/nano.json", recipe.Model!.Config);
        Assert.Null(recipe.Model.Path);
        Assert.Equal(new Dictionary<string, double> { ["a"] = 1, ["b"] = 2.5e-3 }, recipe.Model.Weights);
        Assert.Equal(new SampleSft { Name = "warm", BatchSize = 64, LearningRate = 1e-3, Steps = 100 }, recipe.Stages[0]);
        var grpo = Assert.IsType<SampleGrpo>(recipe.Stages[1]);
        Assert.Equal((4, 16, SampleLoss.DrGrpo, true), (grpo.NumGenerations, grpo.PromptsPerStep, grpo.LossType, grpo.Whiten));
        Assert.Equal(new SampleMath(0.5), grpo.Reward);
        Assert.Equal([new SampleMath(), new SampleLength(3)], grpo.Extras);
        Assert.Equal([1, 8], grpo.PassAtK);
        Assert.Equal(new SampleMath(), Assert.IsType<SampleGrpo>(recipe.Stages[2]).Reward);
    }

    [Fact]
    public void AliasesAreCopies()
    {
        var recipe = Bind("name: a\nstages:\n  - sft: &s { name: x, batch_size: 4 }\n  - sft: *s\n", "stages.1.batch_size=8");

        Assert.Equal([4, 8], recipe.Stages.Select(stage => ((SampleSft)stage).BatchSize));
    }

    [Fact]
    public void AliasesOfListsAreCopies()
    {
        const string Yaml = "name: a\nstages:\n  - grpo: { name: x, extras: &e [{ length: { target: 1 } }] }\n  - grpo: { name: y, extras: *e }\n";
        var stages = Bind(Yaml, "stages.y.extras.0.target=2").Stages;

        Assert.Equal([1, 2], stages.Select(stage => ((SampleLength)((SampleGrpo)stage).Extras[0]).Target));
    }

    [Fact]
    public void OverridesComeFirstAmongFaultsFoundAtDifferentTimes() => Assert.Equal(
        [
            "--set sed=1: sed: unknown key. Did you mean seed?",
            "r.yaml:1: nam: unknown key. Did you mean name?",
            "r.yaml:4: steps: duplicate key, first given on line 4. Keep one of the two.",
        ],
        Faults("nam: a\n\nstages:\n  - sft: { batch_size: 1, steps: 1, steps: 2 }\n", "sed=1"));

    [Fact]
    public void CultureDoesNotMatter()
    {
        var before = CultureInfo.CurrentCulture;
        var german = (CultureInfo)CultureInfo.InvariantCulture.Clone();
        german.NumberFormat.NumberDecimalSeparator = ",";
        try
        {
            CultureInfo.CurrentCulture = german;
            var recipe = Bind(Good);
            Assert.Equal(2.5e-3, recipe.Model!.Weights["b"]);
            Assert.Contains("b: 0.0025\n", RecipeWriter.Write(recipe));
        }
        finally
        {
            CultureInfo.CurrentCulture = before;
        }
    }

    [Theory]
    [InlineData("num_generation: 4", "stages.0.grpo.num_generation: unknown key. Did you mean num_generations?")]
    [InlineData("generations: 4", "stages.0.grpo.generations: unknown key. Did you mean num_generations?")]
    [InlineData("Loss-Type: grpo", "stages.0.grpo.Loss-Type: unknown key. Did you mean loss_type?")]
    [InlineData("zzz: 4", "stages.0.grpo.zzz: unknown key. Valid keys: name, steps, num_generations, prompts_per_step, minibatch_size, loss_type, reward, extras, pass_at_k, whiten.")]
    [InlineData("steps: 1, steps: 2", "steps: duplicate key, first given on line 3. Keep one of the two.")]
    [InlineData("steps: 0", "stages.0.grpo.steps: 0 is out of range. It must be at least 1.")]
    [InlineData("steps: ten", "stages.0.grpo.steps: expected a whole number, found \"ten\". Write it like 10.")]
    [InlineData("steps: 1e3", "stages.0.grpo.steps: expected a whole number, found \"1e3\". Write 1000.")]
    [InlineData("steps: \"10\"", "stages.0.grpo.steps: expected a whole number, found the quoted text \"10\". Remove the quotes.")]
    [InlineData("steps: 3000000000", "stages.0.grpo.steps: 3000000000 is out of range. It must be between -2147483648 and 2147483647.")]
    [InlineData("steps: [1]", "stages.0.grpo.steps: expected a whole number, found a list of 1. Write it like 10.")]
    [InlineData("steps: ", "stages.0.grpo.steps: no value given, expected a whole number. Write it like 10.")]
    [InlineData("name: null", "stages.0.grpo.name: no value given, expected text. Write it like NAME, or \"null\" in quotes.")]
    [InlineData("whiten: yes", "stages.0.grpo.whiten: expected true or false, found \"yes\". Write it like true.")]
    [InlineData("loss_type: gpro", "stages.0.grpo.loss_type: \"gpro\" is not a choice. Did you mean grpo? Valid choices: grpo, dr_grpo, bnpo.")]
    [InlineData("loss_type: 1", "stages.0.grpo.loss_type: \"1\" is not a choice. Valid choices: grpo, dr_grpo, bnpo.")]
    [InlineData("pass_at_k: 8", "stages.0.grpo.pass_at_k: expected a list, found \"8\". Write it like [8].")]
    [InlineData("pass_at_k: [1, 2000]", "stages.0.grpo.pass_at_k.1: 2000 is out of range. It must be between 1 and 1024.")]
    [InlineData("num_generations: 1", "stages.0.grpo.num_generations: a group needs at least two samples: set 2 or more.")]
    [InlineData("minibatch_size: 7", "stages.0.grpo.minibatch_size: 7 does not divide 128 samples. Choose a divisor.")]
    [InlineData("prompts_per_step: 1", "stages.0.grpo.minibatch_size: 16 does not divide 8 samples. Choose a divisor.")]
    [InlineData("reward: mat", "stages.0.grpo.reward: unknown kind \"mat\". Did you mean math? Valid kinds: length, math.")]
    [InlineData("reward: { verifier: {} }", "stages.0.grpo.reward: unknown kind \"verifier\". Valid kinds: length, math.")]
    [InlineData("reward: { math: {}, length: {} }", "stages.0.grpo.reward: expected one kind with its settings, found a mapping with math, length. Write it like { length: {} }; valid kinds: length, math.")]
    [InlineData("reward: { math: 3 }", "stages.0.grpo.reward.math: expected its settings, found \"3\". Write math: { key: value }.")]
    [InlineData("reward: length", "stages.0.grpo.reward.length.target: missing, expected a whole number. Add target: 10")]
    [InlineData("reward: { length: { target: 101 } }", "stages.0.grpo.reward.length.target: 101 is out of range. It must be between 1 and 100.")]
    [InlineData("reward: { math: { tolerance: NaN } }", "stages.0.grpo.reward.math.tolerance: expected a number, found \"NaN\". Write it like 0.5.")]
    [InlineData("<<: { steps: 1 }", "<<: merge keys are not supported. Write the keys out.")]
    [InlineData("steps: !!int 3", "the YAML tag tag:yaml.org,2002:int is not supported. Remove it.")]
    public void NamesTheFaultAndTheRemedy(string settings, string problem) => AssertFault($"r.yaml:3: {problem}", Grpo(settings));

    [Theory]
    [InlineData("learning_rate: 0", "0 is out of range. It must be greater than 0 and at most 1.")]
    [InlineData("learning_rate: .inf", ".inf is out of range. It must be greater than 0 and at most 1 and finite.")]
    [InlineData("learning_rate: 1e999", "expected a number, found \"1e999\". Write it like 0.5.")]
    [InlineData("learning_rate: 1,5", "expected a number, found \"1,5\". Write it like 0.5.")]
    public void ChecksRealNumbers(string setting, string problem) =>
        AssertFault($"r.yaml:5: stages.0.sft.learning_rate: {problem}", $"name: a\nstages:\n  - sft:\n      batch_size: 1\n      {setting}\n");

    [Fact]
    public void ReportsAllFaultsInTheOrderOfTheFile()
    {
        const string Yaml = """
            nam: x
            seed: -1
            stages:
              - sft: { learning_rate: 2 }
              - gropo: {}
              - sft: { batch_siz: 3 }
            """;

        Assert.Equal(
            [
                "r.yaml:1: nam: unknown key. Did you mean name?",
                "r.yaml:2: seed: -1 is out of range. It must be between 0 and 18446744073709551615.",
                "r.yaml:4: stages.0.sft.learning_rate: 2 is out of range. It must be greater than 0 and at most 1.",
                "r.yaml:4: stages.0.sft.batch_size: missing, expected a whole number. Add batch_size: 10",
                "r.yaml:5: stages.1: unknown kind \"gropo\". Did you mean grpo? Valid kinds: grpo, sft.",
                "r.yaml:6: stages.2.sft.batch_siz: unknown key. Did you mean batch_size?",
            ],
            Faults(Yaml));
    }

    [Theory]
    [InlineData("", "r.yaml:1: name: missing, expected text. Add name: NAME")]
    [InlineData("- a\n", "r.yaml:1: expected a mapping of keys to values, found a list of 1. Write it like { key: value }.")]
    [InlineData("name: a\nstages: []\n", "r.yaml:2: stages: is empty. Give at least 1, like [{ grpo: {} }].")]
    [InlineData("name: a\nseed: 1\n---\nname: b\n", "r.yaml:3: a second YAML document starts here. Keep one document in the file.")]
    [InlineData("name: *nobody\n", "r.yaml:1: not valid YAML: the alias *nobody has no anchor &nobody before it. Check indentation, brackets, quotes and the space after each colon.")]
    [InlineData("? [a]\n: b\n", "r.yaml:1: not valid YAML: a key must be plain text. Check indentation, brackets, quotes and the space after each colon.")]
    public void ChecksTheWholeFile(string yaml, string expected) => Assert.Contains(expected, Faults(yaml));

    [Theory]
    [InlineData("name: a\nmodel:\n\tpath: b\n", 3, 3, "The line is indented with a tab: use spaces.")]
    [InlineData("name: a\nmodel: { path: b\nseed: 1\n", 2, 3, "Check indentation")]
    [InlineData("name: \"a\nb: c\n", 1, 3, "Check indentation")]
    public void NamesTheLineOfBrokenYaml(string yaml, int first, int last, string remedy)
    {
        var fault = Assert.Single(Faults(yaml));

        var line = int.Parse(fault.Split(':')[1], CultureInfo.InvariantCulture);
        Assert.InRange(line, first, last);
        Assert.StartsWith($"r.yaml:{line}: not valid YAML: ", fault);
        Assert.Contains(remedy, fault);
    }

    [Fact]
    public void DamagedTextNeverEndsInAnythingButAMessage()
    {
        const string Junk = "{}[]:,-#&*!|>'\"%@`?\t \n~0a\0";
        var random = new RandomStream(7);
        var refused = 0;
        for (var i = 0; i < 2000; i++)
        {
            var text = Good.ToList();
            for (var edit = random.Next(1, 4); edit > 0; edit--)
            {
                var at = random.Next(0, text.Count);
                if (random.NextBool())
                    text[at] = Junk[random.Next(0, Junk.Length)];
                else
                    text.RemoveRange(at, Math.Min(random.Next(1, 20), text.Count - at));
            }

            try
            {
                Bind(string.Concat(text));
            }
            catch (BadInputException e)
            {
                refused++;
                Assert.All(e.Message.Split('\n'), line => Assert.Matches("^r\\.yaml:[1-9][0-9]*: .", line));
            }
        }

        Assert.InRange(refused, 1000, 1999);
    }

    [Fact]
    public void RefusesWhatWouldFillTheMemory()
    {
        var bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + string.Concat(Enumerable.Range(1, 9)
            .Select(i => $"a{i}: &a{i} [{string.Join(", ", Enumerable.Repeat($"*a{i - 1}", 10))}]\n"));
        var deep = new string('[', 5000);
        var chain = "a0: &a0 [x]\n" + string.Concat(Enumerable.Range(1, 300).Select(i => $"a{i}: &a{i} [*a{i - 1}]\n"));

        Assert.Contains("more than 100000 values", Assert.Single(Faults(bomb)));
        Assert.Contains("nested deeper than 64 levels", Assert.Single(Faults(deep)));
        Assert.Contains("nested deeper than 64 levels", Assert.Single(Faults(chain)));
    }

    [Fact]
    public void ReadsFilesAndNamesMissingOnes()
    {
        var path = Path.Combine(Path.GetTempPath(), Path.GetRandomFileName() + ".yaml");
        Assert.Equal($"{path}: no such file. Name an existing recipe, such as one in recipes/.",
            Assert.Throws<BadInputException>(() => RecipeBinder.Load<SampleRecipe>(path)).Message);
        try
        {
            File.WriteAllText(path, Good);
            Assert.Equal(Fingerprint.Of(Bind(Good)), Fingerprint.Of(RecipeBinder.Load<SampleRecipe>(path)));
            File.WriteAllBytes(path, [0x6e, 0xff, 0xfe]);
            Assert.Equal($"{path}: not UTF-8 text. Save the recipe as UTF-8.", Assert.Throws<BadInputException>(() => RecipeBinder.Load<SampleRecipe>(path)).Message);
        }
        finally
        {
            File.Delete(path);
        }
    }

    [Fact]
    public void BindsInheritedNullableAndNestedValues()
    {
        const string Yaml = "words: [a, ~, \"null\"]\r\nlimit: 1\r\ncounts: [1, 2]\r\nmodels:\r\n  x: { path: p }\r\n";
        var record = RecipeBinder.Parse<SampleDerived>(Yaml, "r.yaml");

        Assert.Equal((5, 0, (double?)1), (record.Size, record.Extra, record.Limit));
        Assert.Equal(["a", null, "null"], record.Words!);
        Assert.Equal([1, 2], record.Counts);
        Assert.Equal("p", record.Models["x"].Path);
        var empty = RecipeBinder.Parse<SampleDerived>("words: null\nlimit: ~\n", "r.yaml");
        Assert.Null(empty.Words);
        Assert.Null(empty.Limit);
    }

    [Theory]
    [InlineData("size: 4", "size: 4 is out of range. It must be between 5 and 10.")]
    [InlineData("counts: [1, ~]", "counts.1: no value given, expected a whole number. Write it like 10.")]
    [InlineData("doubled: 4", "doubled: unknown key. Valid keys: size, extra, words, limit, counts, models.")]
    [InlineData("models: { x: { pathh: p } }", "models.x.pathh: unknown key. Did you mean path?")]
    [InlineData("models: [x]", "models: expected a mapping of keys to values, found a list of 1. Write it like { key: value }.")]
    public void ChecksInheritedNullableAndNestedValues(string yaml, string problem) => Assert.Equal($"r.yaml:1: {problem}",
        Assert.Throws<BadInputException>(() => RecipeBinder.Parse<SampleDerived>(yaml, "r.yaml")).Message);

    [Theory]
    [InlineData("MaxCompletionLength", "max_completion_length")]
    [InlineData("K1", "k1")]
    [InlineData("PassAt1", "pass_at1")]
    [InlineData("L2Norm", "l2_norm")]
    [InlineData("KLCoef", "kl_coef")]
    [InlineData("Beta", "beta")]
    public void KeysAreSnakeCase(string property, string key) => Assert.Equal(key, KeyNames.Snake(property));
}

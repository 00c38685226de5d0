using LlmRL.Algorithms;
using LlmRL.Recipes.Binding;

namespace LlmRL.Tests.Sweeps;

public sealed class SweepPlanTests : IDisposable
{
    private readonly SweepFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Fact]
    public void Every_variant_meets_every_point_of_the_grid_and_every_seed()
    {
        var plan = folder.Plan("""
            recipe: BASE
            seeds: [1, 5]
            variants: [{ name: plain }, { name: long, set: { stages.sft.steps: 8 } }]
            grid: { stages.rl.learning_rate: [1e-3, 1e-2], stages.rl.baseline: [none, batch_mean, moving_average] }
            """);
        Assert.Equal(2 * 2 * 3 * 2, plan.Runs.Count);
        Assert.Equal(plan.Runs.Count, plan.Runs.Select(run => run.Folder).Distinct().Count());
        Assert.Equal([1, 5], plan.Seeds);
        Assert.Equal("plain,learning_rate=1e-3,baseline=none", plan.Variants[0]);
        Assert.Equal("plain,learning_rate=1e-3,baseline=batch_mean", plan.Variants[1]);
        Assert.Equal("long,learning_rate=1e-2,baseline=moving_average", plan.Variants[^1]);
        foreach (var run in plan.Runs)
        {
            Assert.Equal(run.Seed, run.Recipe.Seed);
            Assert.Equal(Path.Combine(folder["out"], run.Variant, $"seed-{run.Seed}"), run.Folder);
            Assert.Equal(run.Variant.StartsWith("long", StringComparison.Ordinal) ? 8 : 4, ((Sft)run.Recipe.Stages[0]).Steps);
            Assert.Equal(run.Variant.Contains("1e-3", StringComparison.Ordinal) ? 1e-3 : 1e-2, ((Reinforce)run.Recipe.Stages[1]).LearningRate);
        }
    }

    [Fact]
    public void The_later_setting_counts_sweep_variant_grid_command_line()
    {
        int Steps(string settings, params string[] more) => ((Sft)folder.Plan(settings, more).Runs[^1].Recipe.Stages[0]).Steps;
        Assert.Equal(5, Steps("recipe: BASE\nset: { stages.sft.steps: 5 }"));
        Assert.Equal(6, Steps("recipe: BASE\nset: { stages.sft.steps: 5 }\nvariants: [{ name: a, set: { stages.sft.steps: 6 } }]"));
        Assert.Equal(7, Steps("recipe: BASE\nvariants: [{ name: a, set: { stages.sft.steps: 6 } }]\ngrid: { stages.sft.steps: [7] }"));
        Assert.Equal(8, Steps("recipe: BASE\ngrid: { stages.sft.steps: [7] }", "stages.sft.steps=8"));
    }

    [Fact]
    public void Without_variants_seeds_or_grid_it_is_the_recipe_itself()
    {
        var run = Assert.Single(folder.Plan("recipe: BASE").Runs);
        Assert.Equal(("base", 9UL), (run.Variant, run.Seed));
    }

    [Fact]
    public void A_variant_may_have_a_recipe_of_its_own()
    {
        var other = folder.Write("other.yaml", File.ReadAllText(folder.Base).Replace("steps: 4", "steps: 44", StringComparison.Ordinal));
        var plan = folder.Plan($"recipe: BASE\nvariants: [{{ name: a }}, {{ name: b, recipe: {other} }}]");
        Assert.Equal([4, 44], plan.Runs.Select(run => ((Sft)run.Recipe.Stages[0]).Steps));
    }

    [Fact]
    public void Keys_are_named_by_as_many_parts_as_set_them_apart()
    {
        var plan = folder.Plan("recipe: BASE\ngrid: { stages.sft.steps: [1], stages.rl.steps: [2], stages.eval.pass_at_k: [[1, 4]], stages.rl.reward: [{ length: { target: 3 } }, math] }");
        Assert.Equal(["sft.steps=1,rl.steps=2,pass_at_k=1,4,reward=length=_target=3", "sft.steps=1,rl.steps=2,pass_at_k=1,4,reward=math"], plan.Variants);
    }

    [Fact]
    public void An_override_written_as_text_is_the_same_override()
    {
        var plan = folder.Plan("""
            recipe: BASE
            set:
              stages.rl.reward: { weighted: { terms: [{ reward: { keywords: { words: ["a, b", "1", "x: y", null_] } }, weight: 2 }, { reward: math }] } }
              stages.sft.eval_data: null
              stages.sft.learning_rate: 1e-4
              stages.rl.name: rl
            """);
        var run = Assert.Single(plan.Runs);
        var again = RecipeBinder.Load<LlmRL.Recipes.Recipe>(folder.Base, run.Overrides.Select(setting => setting.Text));
        Assert.Equal(Fingerprint.Text(run.Recipe), Fingerprint.Text(again));
        Assert.Contains("\"a, b\"", Fingerprint.Text(run.Recipe));
    }

    [Theory]
    [InlineData("recipe: BASE\nset: { stages.sft.stepz: 5 }", "sweep.yaml:4: stages.0.sft.stepz: unknown key. Did you mean steps?")]
    [InlineData("recipe: BASE\nvariants:\n  - name: fine\n  - { name: odd, set: { stages.ppo.steps: 5 } }", "sweep.yaml:6: stages.ppo.steps: no item ppo. Valid items: 0 (sft), 1 (rl), 2 (eval).")]
    [InlineData("recipe: BASE\ngrid: { stages.sft.steps: [5, many] }", "sweep.yaml:4: stages.0.sft.steps: expected a whole number, found \"many\". Write it like 10.")]
    [InlineData("recipe: BASE\nset: { stages.sft.steps: 0 }", "sweep.yaml:4: stages.0.sft.steps: 0 is out of range. It must be at least 1.")]
    [InlineData("recipe: BASE\nset: { seed: 3 }", "sweep.yaml:4: seed: the seeds of a sweep's runs are listed under sweep.seeds, or given with --seeds; remove seed here.")]
    [InlineData("recipe: BASE\nseeds: [2, 1, 2]", "sweep.yaml:4: sweep.seeds: seed 2 is given twice; give each once.")]
    [InlineData("recipe: BASE\nseeds: []", "sweep.yaml:4: sweep.seeds: is empty. Give at least 1, like [10].")]
    [InlineData("recipe: BASE\nseedz: [1]", "sweep.yaml:4: sweep.seedz: unknown key. Did you mean seeds?")]
    [InlineData("recipe: BASE\nvariants: [{ name: a }, { name: a }]", "sweep.yaml:4: sweep.variants: two variants are named 'a'; give each its own name.")]
    [InlineData("recipe: BASE\nvariants: [{ name: a/b }]", "sweep.yaml:4: sweep.variants.0.name: 'a/b' cannot be a folder's name; use letters, digits and - _ . = + , @.")]
    [InlineData("variants: [{ name: a, recipe: BASE }, { name: b }]", "sweep.yaml:3: sweep.variants.1.recipe: variant 'b' has no recipe, and there is none for all; add recipe: FILE.")]
    [InlineData("seeds: [1]", "sweep.yaml:3: sweep.recipe: name the recipe to run, or variants with a recipe each.")]
    [InlineData("recipe: BASE\ngrid: { stages.sft.steps: [] }", "sweep.yaml:4: sweep.grid: stages.sft.steps has no values; list at least one.")]
    [InlineData("recipe: BASE\ngrid: { stages.sft.steps: [2, 2] }", "test: two runs would be written to out/steps=2/seed-9. Give variants and the values of the grid different names.")]
    [InlineData("recipe: BASE\njobs: 0", "sweep.yaml:4: sweep.jobs: 0 is out of range. It must be between 1 and 1024.")]
    [InlineData("recipe: BASE\nvariants: [{ name: a }, { name: b }]\ncurves: [{ metric: reward, variants: [b, c] }]", "test: sweep.curves names the variant c, which is none. There are a; b.")]
    [InlineData("recipe: nowhere.yaml", "nowhere.yaml: no such file. Name an existing recipe, such as one in recipes/.")]
    public void Faults_name_the_line_that_is_wrong(string settings, string expected) => Assert.Equal(expected, folder.Fault(settings));

    [Fact]
    public void A_fault_of_the_command_line_is_located_there() =>
        Assert.Equal("--set stages.sft.stepz=1: stages.0.sft.stepz: unknown key. Did you mean steps?", folder.Fault("recipe: BASE", "stages.sft.stepz=1"));

    [Fact]
    public void A_setting_is_where_it_was_last_written()
    {
        var run = folder.Plan("recipe: BASE\nvariants:\n  - name: a\n    set: { stages.sft.data.count: 20 }").Runs[0];
        Assert.EndsWith("sweep.yaml:6: stages.0.sft.data.count", run.NameSetting("stages.0.sft.data.count"));
        Assert.EndsWith("base.yaml:6: stages.1.reinforce.data", run.NameSetting("stages.1.reinforce.data"));
    }
}

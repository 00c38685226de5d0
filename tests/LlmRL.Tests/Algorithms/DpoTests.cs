using System.Text.Json;
using LlmRL.Algorithms;
using LlmRL.Losses;
using LlmRL.Recipes.Binding;
using LlmRL.Tests.Advantages;
using LlmRL.Tests.Training;
using LlmRL.Training;
using static TorchSharp.torch;

namespace LlmRL.Tests.Algorithms;

/// <summary>DPO's losses, gradients and metrics against TRL's own, from the logits on (fixtures; their README says how they were made).</summary>
[Collection(TensorCollection.Name)]
public class DpoTests
{
    private const double LossTolerance = 1e-5, GradientTolerance = 1e-4;

    private static readonly string[] Known = ["sigmoid", "sigmoid_norm", "ipo", "hinge", "robust"];

    [SharedFact("fixtures/dpo.json")]
    public void LossGradientAndMetricsOfTrl()
    {
        var file = Fixture.Read("dpo.json");
        var cases = file.GetProperty("cases").EnumerateArray().Where(setting => Known.Contains(setting.GetProperty("loss_type").GetString())).ToList();
        Assert.Equal(Known.Order(), cases.Select(setting => setting.GetProperty("loss_type").GetString()!).Distinct().Order());
        foreach (var setting in cases)
        {
            using var scope = NewDisposeScope();
            var inputs = new Inputs(file.GetProperty("inputs"));
            var stage = StageOf(setting);
            var loss = stage.PairLosses(inputs.LogProbs - inputs.Reference, inputs.Mask.Lengths()).mean();
            loss.backward();
            AssertNear(setting.GetProperty("loss").GetDouble(), loss.item<float>(), LossTolerance, stage.ToString());
            var gradient = inputs.Logits.grad!;
            AssertNear(setting.GetProperty("grad_logits_norm").GetDouble(), Math.Sqrt(gradient.square().sum().item<float>()), GradientTolerance, "norm of the gradient");
            var expected = Fixture.Rows(setting.GetProperty("grad_logits_row0")).SelectMany(Fixture.Floats).ToArray();
            Tiny.AssertClose(expected, gradient[0].contiguous().data<float>().ToArray(), GradientTolerance);

            var metrics = new BatchMetrics();
            stage.AddRewards(inputs.LogProbs.detach(), inputs.Reference, metrics);
            Assert.Equal(6, metrics.Means().Count());
            foreach (var (name, value) in metrics.Means())
                AssertNear(Fixture.Number(setting.GetProperty("metrics").GetProperty(name)), value, LossTolerance, name);
        }
    }

    /// <summary>The version of TRL that still smoothed the labels of <c>sigmoid</c>. Its <c>hinge</c> ignored label_smoothing, which we refuse.</summary>
    [SharedFact("fixtures/dpo.json")]
    public void SmoothedLabelsOfTrl()
    {
        var file = Fixture.Read("dpo.json").GetProperty("label_smoothed");
        foreach (var setting in file.GetProperty("cases").EnumerateArray())
        {
            using var scope = NewDisposeScope();
            Tensor Pairs(string chosen, string rejected) =>
                tensor(Fixture.Floats([.. Fixture.Numbers(file.GetProperty("inputs").GetProperty(chosen)), .. Fixture.Numbers(file.GetProperty("inputs").GetProperty(rejected))]));
            using var logProbs = Pairs("chosen_logps", "rejected_logps").requires_grad_();
            var reference = Pairs("ref_chosen_logps", "ref_rejected_logps");
            var stage = StageOf(setting);
            var losses = stage.PairLosses(logProbs - reference, ones_like(reference));
            losses.mean().backward();
            AssertClose("losses", losses, LossTolerance);
            AssertClose("chosen_rewards", DirectPreference.ImplicitReward(logProbs, reference, stage.Beta).narrow(0, 0, 5), LossTolerance);
            AssertClose("rejected_rewards", DirectPreference.ImplicitReward(logProbs, reference, stage.Beta).narrow(0, 5, 5), LossTolerance);
            AssertClose("grad_chosen_logps", logProbs.grad!.narrow(0, 0, 5), GradientTolerance);
            AssertClose("grad_rejected_logps", logProbs.grad!.narrow(0, 5, 5), GradientTolerance);

            void AssertClose(string name, Tensor actual, double relative) =>
                Tiny.AssertClose(Fixture.Floats(Fixture.Numbers(setting.GetProperty(name))), actual.detach().contiguous().data<float>().ToArray(), relative);
        }
    }

    /// <summary>Where TRL's <c>ipo</c> leaves the paper: it regresses the mean log-ratio per token on 1/(2β), the paper the whole completion's.</summary>
    [SharedFact("fixtures/dpo.json")]
    public void IpoOfThePaperSumsWhereTrlAverages()
    {
        var file = Fixture.Read("dpo.json");
        foreach (var setting in file.GetProperty("cases").EnumerateArray().Where(setting => setting.GetProperty("loss_type").GetString() == "ipo"))
        {
            using var scope = NewDisposeScope();
            var inputs = new Inputs(file.GetProperty("inputs"));
            var (sums, lengths) = (inputs.LogProbs - inputs.Reference, inputs.Mask.Lengths());
            var (perToken, pairs, beta) = (sums / lengths, sums.size(0) / 2, setting.GetProperty("beta").GetDouble());
            double Ipo(Tensor ratios) => DirectPreference.Ipo(ratios.narrow(0, 0, pairs) - ratios.narrow(0, pairs, pairs), beta).mean().item<float>();

            AssertNear(setting.GetProperty("loss").GetDouble(), Ipo(perToken), LossTolerance, "per token");
            double[] Numbers(Tensor values) => [.. values.detach().data<float>().ToArray()];
            var whole = Numbers(sums);
            var expected = Enumerable.Range(0, (int)pairs).Average(i => Math.Pow(whole[i] - whole[i + (int)pairs] - 0.5 / beta, 2));
            AssertNear(expected, Ipo(sums), LossTolerance, "whole completions");
            Assert.True(Math.Abs(expected - Ipo(perToken)) > 0.01, "the two definitions cannot be told apart here");
        }
    }

    [Theory]
    [InlineData("ipo", true)]
    [InlineData("hinge", true)]
    [InlineData("sigmoid", false)]
    [InlineData("robust", false)]
    public void LabelSmoothingIsRefusedWhereItMeansNothing(string loss, bool refused)
    {
        var stage = new Dpo { Name = "s", Steps = 1, Data = null!, LossType = Choice(loss), LabelSmoothing = 0.1 };
        var problems = stage.Validate().ToList();
        Assert.Equal(refused, problems.Count == 1);
        Assert.All(problems, problem => Assert.Contains($"label_smoothing is 0.1, which loss_type: {loss}", problem.Problem));
        Assert.Empty((stage with { LabelSmoothing = 0 }).Validate());
    }

    [Fact]
    public void TheReferenceIsThePolicyThatItStartsFromUnlessNamed()
    {
        var stage = new Dpo { Name = "s", Steps = 1, Data = null!, Policy = "sft" };
        Assert.Equal("sft", stage.ReferenceModel);
        Assert.Equal(["sft"], stage.Inputs);
        Assert.Equal("older", (stage with { Reference = "older" }).ReferenceModel);
        Assert.Equal(["sft", "older"], (stage with { Reference = "older" }).Inputs);
    }

    private static Dpo StageOf(JsonElement setting) => new()
    {
        Name = "s",
        Steps = 1,
        Data = null!,
        LossType = Choice(setting.GetProperty("loss_type").GetString()!),
        Beta = setting.GetProperty("beta").GetDouble(),
        LabelSmoothing = setting.GetProperty("label_smoothing").GetDouble(),
    };

    private static DpoLossType Choice(string name) => (DpoLossType)Choices.Of(typeof(DpoLossType))[name];

    private static void AssertNear(double expected, double actual, double relative, string what) =>
        Assert.True(Math.Abs(expected - actual) <= relative * Math.Max(Math.Abs(expected), 0.1), $"{what}: expected {expected}, got {actual}");

    /// <summary>The fixture's logits, and the log-probabilities of completions from them by plain tensor operations.</summary>
    private sealed class Inputs
    {
        public Inputs(JsonElement inputs)
        {
            var ids = Matrix(inputs.GetProperty("input_ids")).to_type(ScalarType.Int64);
            var mask = Matrix(inputs.GetProperty("completion_mask"));
            Mask = new ResponseMask(mask.narrow(1, 1, mask.size(1) - 1));
            Logits = Cube(inputs.GetProperty("logits")).requires_grad_();
            LogProbs = Sums(Logits, ids);
            Reference = Sums(Cube(inputs.GetProperty("ref_logits")), ids);
        }

        public Tensor Logits { get; }

        public ResponseMask Mask { get; }

        public Tensor LogProbs { get; }

        public Tensor Reference { get; }

        /// <summary>Position t predicts token t + 1.</summary>
        private Tensor Sums(Tensor logits, Tensor ids)
        {
            var steps = ids.size(1) - 1;
            var all = logits.narrow(1, 0, steps).log_softmax(-1);
            return Mask.SumPerSequence(all.gather(2, ids.narrow(1, 1, steps).unsqueeze(2)).squeeze(2));
        }

        private static Tensor Matrix(JsonElement rows) => tensor(Fixture.Rows(rows).SelectMany(Fixture.Floats).ToArray()).view(rows.GetArrayLength(), -1);

        private static Tensor Cube(JsonElement blocks) =>
            tensor(blocks.EnumerateArray().SelectMany(Fixture.Rows).SelectMany(Fixture.Floats).ToArray()).view(blocks.GetArrayLength(), blocks[0].GetArrayLength(), -1);
    }
}

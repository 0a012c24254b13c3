//! The departments and doctors of the demo clinic, all of them invented.

/// A department, and the fee of its ordinary clinic (普通门诊) if it has one.
pub(super) struct Department {
    pub(super) id: &'static str,
    pub(super) name: &'static str,
    pub(super) description: &'static str,
    pub(super) location: &'static str,
    pub(super) ordinary_fee: Option<&'static str>,
}

/// A doctor (医生).
pub(super) struct Doctor {
    pub(super) id: &'static str,
    pub(super) department: &'static str,
    pub(super) name: &'static str,
    pub(super) title: &'static str,
    pub(super) description: &'static str,
    pub(super) expertise: &'static str,
    pub(super) room: &'static str,
    /// 0 ordinary, 1 expert.
    pub(super) kind: i64,
    pub(super) fee: &'static str,
}

/// All departments.
pub(super) const DEPARTMENTS: [Department; 3] = [
    Department {
        id: "101",
        name: "内科",
        description: "高血压、糖尿病等慢性病的诊治与随访，常见内科疾病的诊断和治疗。",
        location: "门诊楼二层东区",
        ordinary_fee: Some("0.00"),
    },
    Department {
        id: "102",
        name: "儿科",
        description: "婴幼儿及儿童常见病诊治、生长发育评估与喂养指导。",
        location: "门诊楼一层西区",
        ordinary_fee: Some("15.00"),
    },
    Department {
        id: "103",
        name: "中医科",
        description: "中医内科调理、针灸与推拿。",
        location: "门诊楼三层",
        ordinary_fee: None,
    },
];

/// All doctors.
pub(super) const DOCTORS: [Doctor; 8] = [
    Doctor {
        id: "2001",
        department: "101",
        name: "沈知远",
        title: "主任医师",
        description: "从事心血管内科临床工作三十余年。",
        expertise: "高血压、冠心病、心律失常",
        room: "门诊楼二层 201 诊室",
        kind: 1,
        fee: "100.00",
    },
    Doctor {
        id: "2002",
        department: "101",
        name: "陆静宜",
        title: "副主任医师",
        description: "长期从事内分泌与代谢疾病的诊治。",
        expertise: "糖尿病、甲状腺疾病、骨质疏松",
        room: "门诊楼二层 203 诊室",
        kind: 1,
        fee: "50.00",
    },
    Doctor {
        id: "2003",
        department: "101",
        name: "顾明川",
        title: "主治医师",
        description: "擅长呼吸与消化系统常见病的规范治疗。",
        expertise: "慢性咳嗽、胃炎、消化不良",
        room: "门诊楼二层 205 诊室",
        kind: 0,
        fee: "15.00",
    },
    Doctor {
        id: "2004",
        department: "102",
        name: "林若溪",
        title: "主任医师",
        description: "儿科呼吸专业带头人，从医二十八年。",
        expertise: "儿童哮喘、反复呼吸道感染、肺炎",
        room: "门诊楼一层 111 诊室",
        kind: 1,
        fee: "100.00",
    },
    Doctor {
        id: "2005",
        department: "102",
        name: "周景行",
        title: "副主任医师",
        description: "专注儿童生长发育与营养。",
        expertise: "矮小、性早熟、喂养困难",
        room: "门诊楼一层 113 诊室",
        kind: 1,
        fee: "50.00",
    },
    Doctor {
        id: "2006",
        department: "102",
        name: "许安然",
        title: "主治医师",
        description: "儿科常见病与新生儿随访。",
        expertise: "发热、腹泻、湿疹、新生儿黄疸",
        room: "门诊楼一层 115 诊室",
        kind: 0,
        fee: "15.00",
    },
    Doctor {
        id: "2007",
        department: "103",
        name: "秦怀仁",
        title: "主任医师",
        description: "中医世家，从事中医内科工作四十年。",
        expertise: "失眠、脾胃病、亚健康调理",
        room: "门诊楼三层 301 诊室",
        kind: 1,
        fee: "80.00",
    },
    Doctor {
        id: "2008",
        department: "103",
        name: "方如意",
        title: "主治医师",
        description: "针灸推拿专业，手法轻柔。",
        expertise: "颈椎病、腰腿痛、面瘫",
        room: "门诊楼三层 305 针灸室",
        kind: 0,
        fee: "20.00",
    },
];
